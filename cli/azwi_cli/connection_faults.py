"""What a failed connection means, by a piece of OpenSSL's or the system's text. Pure."""

from typing import Final
from urllib.parse import urlsplit

_PUBLIC_AUTHORITY: Final = (
    "Get one from a public authority and serve its whole chain: Entra ID trusts no other. For a"
    " check within your network, name the authority with --ca-file."
)
# Pieces of text, what is so, and what to do. The first that fits counts.
_KNOWN: Final = (
    (
        ("certificate has expired",),
        "The certificate of {host} has expired.",
        "Renew it; nobody reads the keys until then.",
    ),
    (
        ("Hostname mismatch", "IP address mismatch"),
        "The certificate of {host} is for another name.",
        "Get one for this name, or correct the URL.",
    ),
    (
        ("self-signed", "self signed", "unable to get local issuer"),
        "The certificate of {host} is by an authority that this machine does not trust.",
        _PUBLIC_AUTHORITY,
    ),
    (
        ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure"),
        "{host} does not speak TLS on this port.",
        "Serve the documents over https.",
    ),
    (
        ("alert protocol version", "UNSUPPORTED_PROTOCOL", "unsupported protocol"),
        "{host} speaks no TLS of version 1.2 or newer.",
        "Allow TLS 1.2 and 1.3.",
    ),
    (
        ("not known", "name resolution", "No address associated"),
        "The name {host} does not resolve.",
        "Correct the URL, or make the DNS entry public.",
    ),
    (
        ("Connection refused",),
        "Nobody listens at {host}.",
        "Start the server there, or correct the URL.",
    ),
    (
        ("disconnected", "Remote end closed", "reset by peer", "EOF occurred"),
        "{host} closes the connection without an answer.",
        "Look at the log of that server.",
    ),
    (
        ("timed out",),
        "{host} does not answer in time.",
        "Publish it where the internet can reach it, or look at the firewall.",
    ),
)


def explained(url: str, text: str) -> tuple[str, str]:
    """What is so, and what to do, where a connection for ``url`` failed with ``text``."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or url
    for marks, says, remedy in _KNOWN:
        if any(mark in text for mark in marks):
            return says.format(host=host), remedy
    return f"{url} cannot be fetched ({text}).", "Publish it where the internet can reach it."
