"""URLs, credentials, NO_PROXY and paths of azwi-proxy's settings."""

import base64

import pytest

from azwi_common.proxy_values import (
    Authority,
    FilePath,
    HttpProxy,
    IdentityHeader,
    Ipv4,
    NoProxy,
    TlsName,
    TokenProxy,
)


@pytest.mark.parametrize("kind", [Authority, TokenProxy, HttpProxy])
@pytest.mark.parametrize(
    "inside", [" ", "\t", "\n", "\r\n", "\u00a0", "\u200b", "\u2028", "\x00", "\x7f"]
)
def test_white_space_in_a_url_is_refused(
    kind: type[Authority] | type[TokenProxy] | type[HttpProxy], inside: str
) -> None:
    scheme = "http" if kind is HttpProxy else "https"
    with pytest.raises(ValueError, match="without white space"):
        kind.from_text(f"{scheme}://login.{inside}microsoftonline.com")


@pytest.mark.parametrize("kind", [Authority, TokenProxy])
@pytest.mark.parametrize("text", ["http://login", "wss://login", "//login", "login", "https:///a"])
def test_a_url_without_https_or_a_host_is_refused(
    kind: type[Authority] | type[TokenProxy], text: str
) -> None:
    with pytest.raises(ValueError, match="must be an https:// URL"):
        kind.from_text(text)


@pytest.mark.parametrize("kind", [Authority, TokenProxy])
@pytest.mark.parametrize("rest", ["me@login", "@login", "login?a", "login?", "login#a", "login#"])
def test_a_url_with_a_user_a_query_or_a_fragment_is_refused(
    kind: type[Authority] | type[TokenProxy], rest: str
) -> None:
    with pytest.raises(ValueError, match="must not have a user, a query or a fragment"):
        kind.from_text(f"https://{rest}")


@pytest.mark.parametrize("text", ["https://proxy", "socks5://proxy:1080", "http://", "http:///a"])
def test_a_forward_proxy_has_the_scheme_http_and_a_host(text: str) -> None:
    with pytest.raises(ValueError, match="must be "):
        HttpProxy.from_text(text)


@pytest.mark.parametrize("kind", [Authority, TokenProxy, HttpProxy])
@pytest.mark.parametrize("place", ["login:port", "login:65536", "[::1", "[1:443"])
def test_a_url_whose_host_or_port_is_none_is_refused(
    kind: type[Authority] | type[TokenProxy] | type[HttpProxy], place: str
) -> None:
    scheme = "http" if kind is HttpProxy else "https"
    with pytest.raises(ValueError, match="with a valid host and port"):
        kind.from_text(f"{scheme}://{place}")


@pytest.mark.parametrize("text", ["/a\n/b", "/a\r", "/\x00a"])
def test_a_path_over_two_lines_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="without line breaks"):
        FilePath.from_text(text)
    assert FilePath.from_text("/etc/my certs/größe.pem") == "/etc/my certs/größe.pem"


@pytest.mark.parametrize("text", [".example.com", "a..b", "a" * 64, "a b", "a:443", "a\nb", "-"])
def test_a_tls_name_that_no_handshake_can_send_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be the name of a host"):
        TlsName.from_text(text)


@pytest.mark.parametrize("text", ["a", "token-proxy.kube-system.svc", "a_b.example.com."])
def test_a_tls_name_is_kept(text: str) -> None:
    assert TlsName.from_text(text) == text


@pytest.mark.parametrize(
    ("given", "url", "sent"),
    [
        ("http://proxy", "http://proxy:80", ""),
        ("proxy:3128", "http://proxy:3128", ""),
        ("http://[::1]:3128/", "http://[::1]:3128", ""),
        ("http://me:secret@proxy:3128", "http://proxy:3128", "me:secret"),
        ("http://me@proxy", "http://proxy:80", "me:"),
        ("http://:secret@proxy", "http://proxy:80", ":secret"),
        ("http://me:a%3Ab@proxy", "http://proxy:80", "me:a:b"),
        ("http://j%C3%BCrgen:p%E2%82%AC@proxy", "http://proxy:80", "jürgen:p€"),
        ("http://jürgen:p€@proxy", "http://proxy:80", "jürgen:p€"),
    ],
)
def test_the_forward_proxys_url_and_what_it_is_told_are_two_things(
    given: str, url: str, sent: str
) -> None:
    proxy = HttpProxy.from_text(given)
    assert proxy.url == url
    told = proxy.authorization.removeprefix("Basic ")
    assert base64.b64decode(told).decode() == sent


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        ("a%3Ab:secret", "without a colon"),
        ("%FF:secret", "UTF-8"),
        ("me:secret%FF", "UTF-8"),
        ("me:secret\udcff", "white space or control"),
        ("me:secret%0A", "control characters"),
        ("m%00e:secret", "control characters"),
        ("me:secret%7F", "control characters"),
    ],
)
def test_credentials_that_cannot_be_sent_are_refused_and_not_shown(
    credentials: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        HttpProxy.from_text(f"http://{credentials}@proxy:3128")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "host", "port", "spared"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "login.example.com", 443, True),
        ("example.com", "notexample.com", 443, False),
        (".example.com", "login.example.com", 443, True),
        ("*.example.com", "login.example.com", 443, True),
        ("*.example.com", "notexample.com", 443, False),
        ("example.com.", "login.example.com", 443, True),
        ("example.com", "login.example.com.", 443, True),
        ("EXAMPLE.com", "Login.Example.COM", 443, True),
        ("example.com:443", "example.com", 443, True),
        ("example.com:8443", "example.com", 443, False),
        ("*.example.com.:8443", "a.example.com", 8443, True),
        ("*", "anything", 1, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.1.2.3/8", "10.4.5.6", 443, True),
        ("10.0.0.0/8", "login.example.com", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:444", "10.1.2.3", 443, False),
        ("fd00::/8", "fd00::1", 443, True),
        ("[::1]:443", "::1", 443, True),
        ("[::1]:444", "::1", 443, False),
        ("::1", "0:0:0:0:0:0:0:1", 443, True),
    ],
)
def test_no_proxy_knows_these_forms(entry: str, host: str, port: int, spared: bool) -> None:
    listed = NoProxy.from_text(entry)
    assert listed.spares(host, port) is spared
    assert listed.ignored == ()


def test_entries_of_no_proxy_are_divided_by_commas_semicolons_and_blanks() -> None:
    listed = NoProxy.from_text("a.example, b.example;c.example d.example\t,;\n e.example,")
    assert all(listed.spares(f"{letter}.example", 443) for letter in "abcde")
    assert not listed.spares("f.example", 443)


def test_entries_of_no_proxy_that_match_nothing_are_told() -> None:
    text = "http://a.example, login*.example, good.example, a.example:99999999, [::1, 10.0.0.0/99"
    listed = NoProxy.from_text(text)
    good = {"good.example"}
    assert set(listed) - set(listed.ignored) == good
    assert not listed.spares("a.example", 443)


def test_the_other_kinds_say_what_they_want() -> None:
    with pytest.raises(ValueError, match="must be an IPv4 address"):
        Ipv4.from_text("::1")
    with pytest.raises(ValueError, match="16 to 256"):
        IdentityHeader.from_text("short")
