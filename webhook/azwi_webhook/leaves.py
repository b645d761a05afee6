"""What a certificate is worth, as a TLS client finds out; and new ones, made in a child process.

A certificate is judged by a handshake in memory: chain, name, key and dates are then checked by the
very code that checks them in earnest, and ``cryptography`` need not be loaded.
"""

import asyncio
import contextlib
import json
import os
import ssl
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from azwi_webhook import errors
from azwi_webhook.certificates import Leaf, blocks

CHILD: Final = 30.0  # seconds it may take on a busy node; usually 0.2
_AUTHORITY = Path(__file__).with_name("authority.py")


def judge(chain: bytes, key: bytes, trust: bytes, names: tuple[str, ...]) -> Leaf | None:
    """The certificate, if a client that trusts ``trust`` accepts it now under all ``names``."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load(server, chain, key)
    except (ssl.SSLError, ValueError):
        return None
    for ca in blocks(trust):
        with contextlib.suppress(ssl.SSLError, ValueError):
            found = _handshake(server, ca, names[0])
            if {("DNS", name) for name in names} <= set(found["subjectAltName"]):
                since, until = (
                    ssl.cert_time_to_seconds(found[end]) for end in ("notBefore", "notAfter")
                )
                return Leaf(since, until, ca)
    return None


def load(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """``load_cert_chain`` from bytes: it reads files only, and a key belongs on no disk.

    Raises ssl.SSLError where they do not belong together, or are not PEM.
    """
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, key + b"\n" + chain)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    finally:
        os.close(descriptor)


async def make_in_child(names: tuple[str, ...], life: timedelta) -> dict[str, bytes]:
    """What ``authority.make`` makes; errors.Unavailable where it cannot be made now."""
    # -P: beside this file lie modules whose names others have too.
    argv = (sys.executable, "-P", str(_AUTHORITY), str(life.total_seconds()), *names)
    with _told_plainly():
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(CHILD):
                made, told = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        if process.returncode:
            last = told.decode(errors="replace").strip().rpartition("\n")[2]
            raise ValueError(f"the child process ended with {last[:200] or process.returncode}")
        return {name: text.encode() for name, text in json.loads(made).items()}


def _handshake(server: ssl.SSLContext, ca: bytes, name: str) -> dict[str, Any]:
    """The server's certificate, as its verified peer sees it; ssl.SSLError where it is not."""
    client = ssl.create_default_context(cadata=ca.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):  # flights; TLS 1.3 takes two
        for side in (one, other):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    found: dict[str, Any] = one.getpeercert() or {}
    return found


@contextlib.contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TimeoutError) as error:
        told = str(error) or f"it took more than {CHILD:.0f} s"
        raise errors.Unavailable(f"No certificate could be made: {told}.") from error


def _no_password() -> str:
    """For a key that is encrypted, instead of a question on the terminal."""
    return ""
