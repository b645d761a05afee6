"""Talks to whoever publishes an issuer, over TLS, as Entra ID would: plain GETs, no redirects.

What the network does wrong becomes ``errors.Unavailable`` with the remedy here. Answers and waits
are bounded.
"""

import ssl
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx

from azwi_cli import connection_faults, errors, output

TIMEOUT: Final = 10.0  # seconds for a whole answer; Entra ID's own patience is not documented
LARGEST: Final = 1 << 20  # bytes: a JWKS has a few KB


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    url: str
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    address: str = ""
    """Of the peer; empty where a proxy stands between."""
    certificate_ends: float = 0.0
    """Unix time, in seconds; 0 where it is not known."""


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities of this machine, or those of a PEM file alone."""
    if ca_file is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except FileNotFoundError as error:
        raise errors.NotFound(f"{ca_file} does not exist; CA certificates belong there.") from error
    except (OSError, ssl.SSLError) as error:
        raise errors.BadInput(
            f"{ca_file} holds no CA certificates in PEM form.", "Name another file with --ca-file."
        ) from error


def get(url: str, context: ssl.SSLContext) -> Answer:
    """One GET; raises Unavailable where no answer comes, and for nothing that the answer says."""
    try:
        with (
            httpx.Client(verify=context, timeout=TIMEOUT, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as response,
        ):
            address, ends = _peer(response.extensions.get("network_stream"))
            address = "" if _is_proxied(response.url) else address
            body = _body(response)
    except httpx.TimeoutException as error:
        raise errors.Unavailable(
            f"{url} does not answer within {TIMEOUT:.0f} s.",
            "Publish it where the internet can reach it, or look at the firewall.",
        ) from error
    except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
        raise errors.Unavailable(*connection_faults.explained(url, _cause(error))) from error
    output.debug(f"GET {url}: {response.status_code}, {len(body)} bytes")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(url, response.status_code, body, headers, address, ends)


def _body(response: httpx.Response) -> bytes:
    body, until = b"", time.monotonic() + TIMEOUT
    for part in response.iter_bytes():
        body += part
        if len(body) > LARGEST:
            raise errors.Unavailable(
                f"{response.url} answers with more than 1 MiB.", "Publish the document alone there."
            )
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the whole answer takes too long")
    return body


def _is_proxied(url: httpx.URL) -> bool:
    """Whether the environment's proxy stands between, whose address says nothing of the server."""
    proxies = urllib.request.getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not (
        urllib.request.proxy_bypass(url.host)
    )


def _peer(stream: Any) -> tuple[str, float]:
    if stream is None:
        return "", 0.0
    address = stream.get_extra_info("server_addr")
    tls = stream.get_extra_info("ssl_object")
    ends = (tls.getpeercert() or {}).get("notAfter") if tls else None
    return str(address[0]) if address else "", ssl.cert_time_to_seconds(ends) if ends else 0.0


def _cause(error: BaseException) -> str:
    """The texts of an error and of those that it came from: what is known may be in any."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        texts.append(str(seen) or type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    return "; ".join(dict.fromkeys(texts))
