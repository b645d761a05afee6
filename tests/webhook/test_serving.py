"""The certificate that is served, exchanged while connections come in."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from azwi_testing.apiserver import soon
from azwi_webhook import authority, errors
from azwi_webhook import serving as module
from azwi_webhook.server import Site
from azwi_webhook.serving import Proof, Serving, call_itself

NAME = "hook.ns.svc"


def pair(**life: float) -> dict[str, bytes]:
    made = authority.make([NAME], datetime.now(UTC), timedelta(**(life or {"days": 1})))
    return {name: text.encode() for name, text in made.items()}


def rsa_pair() -> dict[str, bytes]:
    """Self-signed, with the kind of key that our own never has."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    form, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, form, open_)
    return {"tls.crt": certificate, "tls.key": secret, "ca.crt": certificate}


def use(serving: Serving, given: dict[str, bytes]) -> bool:
    return serving.use(given["tls.crt"], given["tls.key"], given["ca.crt"])


async def _ok(request: web.BaseRequest) -> web.Response:
    return web.Response(text="ok\n")


@contextlib.asynccontextmanager
async def listening(least: str = "1.3") -> AsyncIterator[tuple[Serving, int]]:
    serving = Serving(least)
    site = Site(_ok, serving.context)
    await site.start("127.0.0.1", 0)
    try:
        yield serving, site.port
    finally:
        await site.stop(1)


async def test_an_exchange_counts_from_the_next_connection_on() -> None:
    async with listening() as (serving, port):
        first, second = pair(), pair()
        assert use(serving, first)
        context = ssl.create_default_context(cadata=first["ca.crt"].decode())
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=NAME
        )
        assert use(serving, second)
        await call_itself("127.0.0.1", port, NAME, second["ca.crt"])
        with pytest.raises(ssl.SSLError):
            await call_itself("127.0.0.1", port, NAME, first["ca.crt"])
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")  # what is open goes on
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        writer.close()


async def test_an_exchange_for_a_key_of_another_kind_leaves_nothing_of_the_old_one() -> None:
    async with listening() as (serving, port):
        for given in (rsa_pair(), pair(), rsa_pair()):
            use(serving, given)
            assert await call_itself("127.0.0.1", port, NAME, given["ca.crt"]) > 0


async def test_the_same_again_is_no_exchange_but_trust_may_change() -> None:
    serving, given = Serving("1.3"), pair()
    assert use(serving, given)
    assert not serving.use(given["tls.crt"], given["tls.key"], b"other")
    assert serving.trust == b"other"


@pytest.mark.parametrize(("least", "spoken"), [("1.3", False), ("1.2", True)])
async def test_tls_1_2_is_spoken_only_where_it_is_allowed(least: str, spoken: bool) -> None:
    async with listening(least) as (serving, port):
        given = pair()
        use(serving, given)
        context = ssl.create_default_context(cadata=given["ca.crt"].decode())
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        refused = pytest.raises(OSError)  # an alert, or a connection that is reset after it
        expected = contextlib.nullcontext() if spoken else refused
        with expected:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname=NAME
            )
            writer.close()


async def test_what_cannot_be_served_is_a_sentence_and_changes_nothing() -> None:
    async with listening() as (serving, port):
        good = pair()
        use(serving, good)
        for chain, key in ((b"", b""), (good["tls.crt"], pair()["tls.key"]), (b"x", b"y")):
            with pytest.raises(errors.Misconfigured, match="belong together"):
                serving.use(chain, key, b"")
        assert serving.trust == good["ca.crt"]
        await call_itself("127.0.0.1", port, NAME, good["ca.crt"])


async def test_the_proof_says_what_a_caller_would_find_wrong() -> None:
    async with listening() as (serving, port):
        proof = Proof(serving, ("", port), NAME)
        task = asyncio.create_task(proof.run())
        try:
            await asyncio.sleep(0.05)
            assert proof.problem == "No certificate is served yet."
            good = pair()
            use(serving, good)
            await soon(lambda: not proof.problem)
            assert serving.expiry == pytest.approx(datetime.now(UTC).timestamp() + 86400, abs=10)
            use(serving, {**pair(), "ca.crt": good["ca.crt"]})
            await soon(lambda: f"as {NAME} failed: unable to get local issuer" in proof.problem)
            use(serving, pair(seconds=-1))
            await soon(lambda: "expired" in proof.problem)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_another_server_at_the_port_is_no_proof() -> None:
    async def not_ours(request: web.BaseRequest) -> web.Response:
        return web.Response(status=404)

    serving, given = Serving("1.3"), pair()
    use(serving, given)
    site = Site(not_ours, serving.context)
    await site.start("127.0.0.1", 0)
    with pytest.raises(ValueError, match="somebody else"):
        await call_itself("127.0.0.1", site.port, NAME, given["ca.crt"])
    await site.stop(1)


async def test_who_was_proven_and_is_slow_now_is_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst makes all replicas slow together: if each said so, nobody would be left to call."""
    monkeypatch.setattr(module, "CALL", 0.2)
    monkeypatch.setattr(module, "AGAIN", 0.01)
    calls = 0
    busy = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.Response:
        nonlocal calls
        calls += 1
        if busy.is_set():
            await asyncio.sleep(60)
        return web.Response(text="ok\n")

    serving = Serving("1.3")
    use(serving, pair())
    site = Site(slow, serving.context)
    await site.start("127.0.0.1", 0)
    busy.set()
    proof = Proof(serving, ("127.0.0.1", site.port), NAME)
    task = asyncio.create_task(proof.run())
    try:
        await soon(lambda: f"failed: no answer within {module.CALL:.0f} s." in proof.problem)
        busy.clear()
        await soon(lambda: not proof.problem)
        busy.set()
        before = calls
        await soon(lambda: calls >= before + 3)
        assert proof.problem == ""
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await site.stop(0.1)
