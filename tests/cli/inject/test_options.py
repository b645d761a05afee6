"""Flags become the webhook's variables."""

import pytest

from azwi_cli import errors
from azwi_cli.inject import options


def test_set_wins_over_a_flag_and_keeps_what_follows_the_first_sign() -> None:
    found = options.variables(["PROXY_IMAGE=b", "X=1=2"], proxy_image="a", tenant_id="t")
    assert (found["PROXY_IMAGE"], found["X"], found["AZURE_TENANT_ID"]) == ("b", "1=2", "t")


@pytest.mark.parametrize("text", ["", "X", "=1", "x=1", "1X=2"])
def test_set_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(errors.BadInput, match="NAME=VALUE"):
        options.variables([text])


@pytest.mark.parametrize(("text", "minor"), [("1.34", 34), ("v1.29.3-eks", 29)])
def test_a_version_is_read_as_clusters_write_it(text: str, minor: int) -> None:
    assert options.minor(text) == minor


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(errors.BadInput, match="--kubernetes-version"):
        options.minor("latest")
