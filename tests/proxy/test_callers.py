"""Browsers and names that DNS may rebind are refused; metadata clients are not."""

import pytest

from azwi_proxy import callers, errors

TARGET = "/metadata/identity/oauth2/token?resource=r"


def check(
    *hosts: str,
    target: str = TARGET,
    allowed: tuple[str, ...] = (),
    http_11: bool = True,
    from_browser: bool = False,
) -> None:
    callers.check(hosts, target, allowed, must_name_host=http_11, from_browser=from_browser)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "169.254.169.254:80", "127.0.0.1:8000", "[::1]:8000", "[fd00:ec2::254]",
     "10.0.0.7", "localhost", "LOCALHOST:8000", "localhost.", "metadata.google.internal",
     "Metadata.Google.Internal.", "metadata.goog", "metadata", "instance-data",
     "instance-data.ec2.internal:80", "127.0.0.1:"],
)  # fmt: skip
def test_addresses_and_the_names_of_metadata_services_are_allowed(host: str) -> None:
    check(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "169.254.169.254.nip.io",
     "metadata.azure.internal", "", "127.0.0.1..", "127.1", "2852039166", "[::1", "a b",
     "localhost..", "[127.0.0.12", "user@localhost", "[evil.example]", "127.0.0.1:80:80"],
)  # fmt: skip
def test_every_other_name_is_refused(host: str) -> None:
    with pytest.raises(errors.HostRefused) as caught:
        check(host)
    assert caught.value.status == 400
    assert "add it to AZWI_HOSTS" in caught.value.description


def test_a_name_of_the_setting_is_allowed() -> None:
    check("IMDS.shop.svc:8000", allowed=("imds.shop.svc",))
    with pytest.raises(errors.HostRefused):
        check("other.shop.svc", allowed=("imds.shop.svc",))


def test_http_11_must_name_one_host_and_http_10_may_name_none() -> None:
    check(http_11=False)
    check("", http_11=False)
    for hosts in ((), ("localhost", "localhost")):
        with pytest.raises(errors.HostRefused, match="one Host line"):
            check(*hosts)
    with pytest.raises(errors.HostRefused):
        check("evil.example", http_11=False)


@pytest.mark.parametrize(
    ("authority", "is_allowed"),
    [
        ("169.254.169.254", True),
        ("localhost:8000", True),
        ("user:word@127.0.0.1", True),
        ("evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("", False),
    ],
)
def test_the_authority_of_an_absolute_target_counts_too(authority: str, is_allowed: bool) -> None:
    target = f"HTTP://{authority}{TARGET}"
    if is_allowed:
        check("localhost", target=target)
        return
    with pytest.raises(errors.HostRefused):
        check("localhost", target=target)


def test_a_browser_is_refused_before_its_host_is_looked_at() -> None:
    with pytest.raises(errors.FromBrowser) as caught:
        check("evil.example", from_browser=True)
    assert (caught.value.status, caught.value.reason) == (400, "browser")
