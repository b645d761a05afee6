"""Who may call where reviews need the API server's client certificate."""

from typing import Any

import pytest

from azwi_webhook import errors
from azwi_webhook.callers import Callers

SECRET = "s" * 43
CERTIFICATE: dict[str, Any] = {
    "subject": ((("organizationName", "system:masters"),), (("commonName", "kube-apiserver"),)),
    "subjectAltName": (("DNS", "api.example"), ("URI", "spiffe://example/api")),
}


def test_without_the_option_everybody_may_call() -> None:
    Callers(required=False, names=("x",), secret=SECRET).check(None, None)


@pytest.mark.parametrize(
    "names", [(), ("kube-apiserver",), ("api.example", "other"), ("spiffe://example/api",)]
)
def test_a_verified_certificate_of_one_of_the_names_may_call(names: tuple[str, ...]) -> None:
    Callers(required=True, names=names, secret=SECRET).check(CERTIFICATE, None)


@pytest.mark.parametrize("names", [("system:masters",), ("kube",), ("KUBE-APISERVER",)])
def test_a_certificate_of_none_of_the_names_may_not(names: tuple[str, ...]) -> None:
    with pytest.raises(errors.BadCall, match="AZWI_CLIENT_NAMES") as raised:
        Callers(required=True, names=names, secret=SECRET).check(CERTIFICATE, None)
    assert raised.value.status == 403


@pytest.mark.parametrize("said", [None, "", "s" * 42, "S" * 43, "\udcff", "ü"])
def test_without_one_only_the_secret_counts(said: str | None) -> None:
    callers = Callers(required=True, secret=SECRET)
    callers.check(None, SECRET)
    with pytest.raises(errors.BadCall, match=r"docs/security\.md"):
        callers.check(None, said)
    with pytest.raises(errors.BadCall):
        Callers(required=True).check({}, said)  # an empty secret is none


def test_the_secret_stands_in_no_log() -> None:
    assert SECRET not in repr(Callers(required=True, secret=SECRET))
