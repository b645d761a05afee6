"""Real servers with every fault of TLS and of the network, and the sentence for each."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_cli import errors, web
from azwi_commands import Authority, Reply, Site, openssl, serve
from azwi_testing import free_port


def failure(url: str, ca_file: Path | None) -> errors.Unavailable:
    with pytest.raises(errors.Unavailable) as told:
        web.get(url, web.trust(ca_file))
    assert told.value.remedy
    return told.value


def test_an_answer_is_read_with_its_peer_and_certificate(site: Site, authority: Authority) -> None:
    site.replies["/x"] = Reply(b"body", 418, {"X-Thing": "1"})
    got = web.get(f"{site.url}/x", web.trust(authority.file))
    assert (got.status, got.body, got.headers["x-thing"]) == (418, b"body", "1")
    assert got.address == "127.0.0.1"
    assert abs(got.certificate_ends - time.time() - 60 * 86400) < 3600


def test_redirects_are_not_followed(site: Site, authority: Authority) -> None:
    site.replies["/x"] = Reply(b"", 302, {"Location": f"{site.url}/openid/v1/jwks"})
    assert web.get(f"{site.url}/x", web.trust(authority.file)).status == 302
    assert [path for path, _ in site.asked] == ["/x"]


def test_nothing_of_the_user_is_sent(site: Site, authority: Authority) -> None:
    web.get(f"{site.url}/x", web.trust(authority.file))
    ((_, headers),) = site.asked
    assert not {"authorization", "cookie"} & set(headers)


def test_an_authority_of_the_environment_is_trusted(
    site: Site, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert web.get(site.url, web.trust(None)).status == 404


def test_an_unknown_authority_is_told(site: Site, tmp_path: Path) -> None:
    assert "authority that this machine does not trust" in failure(site.url, None).says
    other = Authority(tmp_path)
    assert "authority that this machine does not trust" in failure(site.url, other.file).says


def test_a_certificate_that_signs_itself_is_told(authority: Authority, tmp_path: Path) -> None:
    both = tmp_path / "self.pem"
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "9"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", both, "-out", tmp_path / "cert"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", both)
    with serve(context) as site:
        assert "does not trust" in failure(site.url, authority.file).says


def test_an_expired_certificate_is_told(authority: Authority) -> None:
    with serve(authority.server(days=-0.5)) as site:
        assert "has expired" in failure(site.url, authority.file).says


def test_a_certificate_for_another_name_is_told(authority: Authority) -> None:
    with serve(authority.server(host="192.0.2.1")) as site:
        assert "is for another name" in failure(site.url, authority.file).says
    with serve(authority.server(host="other.example")) as site:
        named = site.url.replace("127.0.0.1", "localhost")
        assert "is for another name" in failure(named, authority.file).says


def test_a_server_without_tls_is_told(authority: Authority) -> None:
    with serve(None) as site:
        url = site.url.replace("http:", "https:")
        assert "does not speak TLS" in failure(url, authority.file).says


def test_a_server_of_old_tls_is_told(authority: Authority) -> None:
    context = authority.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with serve(context) as site:
        assert "no TLS of version 1.2" in failure(site.url, authority.file).says


def test_a_closed_port_is_told() -> None:
    url = f"https://127.0.0.1:{free_port()}"
    assert failure(url, None).says == f"Nobody listens at {url[8:]}."


def test_a_name_that_does_not_resolve_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a test asks no name server
    assert "does not resolve" in failure("https://no-such-host.invalid/", None).says


@pytest.fixture
def tunnel() -> Iterator[int]:
    """An HTTP proxy that makes one tunnel; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def run() -> None:
        client, _ = listener.accept()
        target = client.recv(4096).split()[1].decode()
        host, _, port = target.partition(":")
        with client, socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=relay, args=(server, client))
            back.start()
            relay(client, server)
            back.join()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with listener:
        yield int(listener.getsockname()[1])
    thread.join(5)


def test_the_address_of_a_proxy_is_not_taken_for_the_servers(
    site: Site, authority: Authority, tunnel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{tunnel}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    got = web.get(site.url, web.trust(authority.file))
    assert (got.status, got.address) == (404, "")
    assert got.certificate_ends > 0


@pytest.fixture
def silent() -> socket.socket:
    """A listener that accepts and says nothing."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_server_that_says_nothing_is_told(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    with silent:
        port = silent.getsockname()[1]
        assert "does not answer within" in failure(f"https://127.0.0.1:{port}", None).says


def test_a_server_that_hangs_up_is_told(silent: socket.socket) -> None:
    def hang_up() -> None:
        peer, _ = silent.accept()
        peer.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    with silent:
        port = silent.getsockname()[1]
        said = failure(f"https://127.0.0.1:{port}", None)
    thread.join()
    assert "closes the connection" in said.says


def test_an_answer_without_end_is_bounded(site: Site, authority: Authority) -> None:
    site.replies["/x"] = Reply(b"x" * ((1 << 20) + 1))
    assert "more than 1 MiB" in failure(f"{site.url}/x", authority.file).says


def test_an_answer_bit_by_bit_is_bounded_in_time(
    site: Site, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.replies["/x"] = Reply(b"x" * 200_000, pause=3)
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    assert "does not answer within" in failure(f"{site.url}/x", authority.file).says


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="CA certificates belong there"):
        web.trust(tmp_path / "absent")
    (tmp_path / "other").write_text("hello")
    with pytest.raises(errors.BadInput, match="--ca-file"):
        web.trust(tmp_path / "other")
