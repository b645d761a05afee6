"""The certificate that is served, exchanged while connections come in, and the call that proves it.

Every handshake is given a context of its own certificate by the SNI callback: an exchange is one
assignment, connections that are open keep theirs, and a new key may be of another kind (a context
that is loaded twice would go on offering an old RSA key beside a new EC one).
"""

import asyncio
import contextlib
import logging
import ssl
from typing import Final

from azwi_webhook import errors, leaves
from azwi_webhook.callers import SECRET_HEADER

CALL: Final = 3.0  # seconds for a call to itself
AGAIN: Final = 30.0  # seconds between calls: certificates expire
SOON: Final = 1.0  # seconds, while something is wrong
_PROTOCOLS = ["http/1.1"]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

log = logging.getLogger("azwi_webhook.serving")


class Serving:
    """What the webhook's port serves."""

    def __init__(self, tls_min_version: str, client_ca: str = "") -> None:
        """``tls_min_version``: "1.2" or "1.3"; ``client_ca``: file of CAs of clients, or empty.

        Raises errors.Misconfigured where that file is not one.
        """
        self._least = _VERSIONS[tls_min_version]
        self._client_ca = client_ca
        self._given: tuple[bytes, bytes] | None = None
        self._inner: ssl.SSLContext | None = None
        self.trust = b""
        """PEM of the CAs by which the API server verifies what is served."""
        self.expiry = 0.0
        """Unix time at which what is served expires, once `Proof` has seen it; else 0."""
        self.changed = asyncio.Event()
        """Set at each exchange, for whoever proves it."""
        self.context = self._new_context()
        self.context.sni_callback = self._choose

    @property
    def begun(self) -> bool:
        """Whether there is a certificate to serve."""
        return self._inner is not None

    def use(self, chain: bytes, key: bytes, trust: bytes) -> bool:
        """Serve this from the next handshake on; whether it is new. Raises errors.Misconfigured."""
        if self._given == (chain, key):
            self.trust = trust
            return False
        context = self._new_context()
        try:
            leaves.load(context, chain, key)
        except (ValueError, ssl.SSLError) as error:
            raise errors.Misconfigured(
                "The certificate cannot be served: it and its key are not two PEM texts that"
                f" belong together ({type(error).__name__})."
            ) from error
        self._inner, self.trust = context, trust
        self._given = (chain, key)
        self.changed.set()
        return True

    def _choose(
        self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext
    ) -> int | None:
        if self._inner is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._inner
        return None

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._least
        context.set_alpn_protocols(_PROTOCOLS)
        context.num_tickets = 0  # API servers resume no sessions: a ticket costs for nothing
        context.options |= ssl.OP_NO_TICKET
        if self._client_ca:
            _ask_for_certificates(context, self._client_ca)
        return context


def _ask_for_certificates(context: ssl.SSLContext, file: str) -> None:
    """Verify a client's certificate, where it sends one."""
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        told = getattr(error, "strerror", None) or type(error).__name__
        raise errors.Misconfigured(
            f"The CAs of client certificates cannot be read from {file} ({told}): --client-ca-file"
            " must name a file of PEM certificates."
        ) from error
    context.verify_mode = ssl.CERT_OPTIONAL


class Proof:
    """Whether what is served is what the API server would accept, found out by calling it."""

    def __init__(
        self, serving: Serving, address: tuple[str, int], server_name: str, secret: str = ""
    ) -> None:
        """``secret``: by which the call is known as the webhook's own."""
        self._serving = serving
        self._secret = secret
        self._host = address[0] or "127.0.0.1"
        self._port = address[1]
        self._name = server_name
        self.problem = "No certificate is served yet."
        """What is wrong; empty where nothing is."""

    async def run(self) -> None:
        """Call at each exchange, and now and then, until cancelled."""
        told = ""
        while True:
            self._serving.changed.clear()
            if self._serving.begun:
                await self._call()
                if self.problem and self.problem != told:
                    log.warning(self.problem)
                told = self.problem
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON if self.problem else AGAIN):
                    await self._serving.changed.wait()

    async def _call(self) -> None:
        try:
            until = await call_itself(
                self._host, self._port, self._name, self._serving.trust, self._secret
            )
        except TimeoutError:
            # Slow is not wrong: a burst makes all replicas slow, and somebody must answer.
            if self.problem:
                self.problem = (
                    f"The call to itself as {self._name} failed: no answer within {CALL:.0f} s."
                )
        except (OSError, ValueError) as error:
            told = getattr(error, "verify_message", "") or str(error) or type(error).__name__
            self.problem = f"The call to itself as {self._name} failed: {told}."
        else:
            self.problem = ""
            self._serving.expiry = until


async def call_itself(
    host: str, port: int, server_name: str, trust: bytes, secret: str = ""
) -> float:
    """Call as the API server would: the Unix time until which this can go well.

    What is proven is the name, the chain, and that it is the webhook that answers. Raises OSError
    (ssl.SSLError is one), ValueError or TimeoutError.
    """
    context = ssl.create_default_context(cadata=trust.decode())
    async with asyncio.timeout(CALL):
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=server_name
        )
        try:
            said = f"{SECRET_HEADER}: {secret}\r\n" if secret else ""
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: {server_name}\r\n{said}\r\n".encode())
            answered = await reader.readline()
            certificate = writer.get_extra_info("peercert")
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()
    if not answered.startswith(b"HTTP/1.1 200 "):
        raise ValueError("somebody else answers")
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))
