"""What Entra ID, Graph and ARM refuse, as sentences with a remedy. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from azwi_cli import errors


@dataclass(frozen=True, slots=True)
class Peer:
    """An API, its address, and what one must be to write there."""

    name: str
    url: str
    rights: str


LOGIN: Final = Peer("Entra ID", "the login host", "")
"""Where azwi logs in itself."""


def graph(url: str) -> Peer:
    """Microsoft Graph."""
    return Peer(
        "Microsoft Graph",
        url,
        "Ask for the role Application Developer or Cloud Application Administrator, or for the"
        " application permission Application.ReadWrite.OwnedBy; a managed identity"
        " (--identity-name) needs none of them.",
    )


def reports(url: str) -> Peer:
    """Microsoft Graph's report of sign-ins, which has licences and rights of its own."""
    return Peer(
        "Microsoft Graph's sign-in report",
        url,
        "It needs a licence of Entra ID P1, and the role Reports Reader or the application"
        " permission AuditLog.Read.All.",
    )


def arm(url: str) -> Peer:
    """Azure Resource Manager."""
    return Peer(
        "Azure Resource Manager",
        url,
        "Ask for the role Managed Identity Contributor on the resource group, and for Role Based"
        " Access Control Administrator where roles are assigned.",
    )


_HINTS: Final = {
    "AADSTS7000215": "Give the secret's value, not its id, or make a new one.",
    "AADSTS7000222": "The secret has expired: make a new one.",
    "AADSTS700027": "Register the certificate with the application, or give its own.",
    "AADSTS700016": "Check --client-id, --tenant-id and --azure-env.",
    "AADSTS90002": "Check --tenant-id and --azure-env.",
    "AADSTS53003": "A Conditional Access policy blocks the login: ask its administrator.",
    "AADSTS50005": "A Conditional Access policy blocks the login: ask its administrator.",
    "AADSTS500011": "Check --azure-env; the Azure CLI has a cloud of its own: az cloud show.",
}


def no_credential(says: str) -> errors.AzwiError:
    """There is nothing to log in with."""
    sentence = _first_line(says)
    if "az login" in says or "Azure CLI" in says:
        return errors.NoLogin(
            f"The Azure CLI gives no token: {sentence}",
            "Run az login, or choose another --auth-method.",
        )
    return errors.NoLogin(f"There is no login: {sentence}", "Check --auth-method and its flags.")


def no_token(says: str) -> errors.AzwiError:
    """Entra ID gives whoever runs azwi no token."""
    sentence = _first_line(says).removeprefix("Authentication failed: ")
    if "authority configuration" in sentence:  # msal's own long sentence
        return errors.Denied("Entra ID knows no such tenant.", "Check --tenant-id and --azure-env.")
    code = re.search(r"AADSTS\d+", sentence)
    usual = (
        "Run az login again, or choose another --auth-method."
        if "az login" in says
        else "Check --auth-method and its flags."
    )
    return errors.Denied(
        f"The login is refused: {sentence}", _HINTS.get(code[0] if code else "", usual)
    )


def refused(peer: Peer, status: int, code: str, says: str) -> errors.AzwiError:
    """An API refuses a request."""
    sentence = f"{peer.name} answers {status}{f' {code}' if code else ''}: {_first_line(says)}"
    if status == 401:
        return errors.Denied(sentence, "Log in again, or check --azure-env and --tenant-id.")
    if status == 403:
        return errors.Forbidden(sentence, peer.rights)
    if status == 404:
        return errors.NotFound(sentence, "Check the names and ids; what is new takes a moment.")
    if status == 429 or status >= 500:
        return errors.Unavailable(sentence, "Run the command again: it goes on where it stopped.")
    return errors.AzwiError(sentence, "Nothing after it was done.")


def strange(peer: Peer) -> errors.AzwiError:
    """An answer that is not the API's own."""
    return errors.Unavailable(
        f"{peer.name} answers with what is none of its answers.",
        "A proxy may stand between, that wants a login: check the network, and run it again.",
    )


def _first_line(text: str) -> str:
    # The Azure CLI's warnings stand before its error.
    error = re.search(r"^ERROR: (.*)", text, re.MULTILINE)
    line = error[1] if error else (text.strip().splitlines() or [""])[0].strip()
    # Entra ID appends ids for its own support to the sentence.
    line = re.split(r"\s*Trace ID:", line)[0].rstrip()
    return line if line.endswith((".", "!", "?")) else f"{line}."
