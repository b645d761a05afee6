"""What ``azwi-proxy --diagnose`` saw from inside the pod. Pure."""

from collections.abc import Iterator
from typing import Final

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Object, Unread, part
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_SKEW: Final = 120  # seconds; Entra ID allows five minutes
_SOON: Final = 300


def checks(facts: Facts) -> Iterator[Check]:
    """Settings, token, clock, redirect, login host, readiness."""
    found = facts.inside
    if found is None:
        return
    if isinstance(found, Unread):
        yield Check(
            "in-pod", _WARN, f"azwi-proxy could not be asked in the pod: {found.says}",
            "It sees what cannot be seen from outside.",
            "It needs a running azwi-proxy, and a user that may create pods/exec.",
        )  # fmt: skip
        return
    yield from _settings(found)
    yield from _token(found, facts)
    yield from _clock(found)
    yield from _redirect(found, facts)
    yield from _login(found)
    yield from _ready(found, facts)
    yield from _exchanges(part(found, "exchanges"), facts)


def _settings(found: Object) -> Iterator[Check]:
    problems = part(found, "settings").get("problems") or ()
    for problem in problems:
        yield Check(
            "settings", _FAIL, f"azwi-proxy's settings are wrong: {problem}",
            "It does not start.", "Correct the variable, the annotation or the webhook's setting.",
        )  # fmt: skip
    if not problems:
        yield Check("settings", _PASS, "azwi-proxy's settings are good.")


def _token(found: Object, facts: Facts) -> Iterator[Check]:
    token = part(found, "token")
    if problem := token.get("problem"):
        yield Check(
            "token-file", _FAIL, f"The token file {token.get('file')} {problem}.",
            "There is nothing to exchange at Entra ID.",
            "Look at the volume azure-identity-token, and at a securityContext that keeps user"
            f" {contract.DEFAULT_PROXY_UID} from reading it.",
        )  # fmt: skip
        return
    yield Check("token-file", _PASS, "The token file is there and can be read.")
    yield from _claims(part(token, "claims"), float(found.get("now") or 0), facts)


def _claims(claims: Object, now: float, facts: Facts) -> Iterator[Check]:
    ends = claims.get("exp")
    if isinstance(ends, int | float) and ends < now:
        yield Check(
            "token-expiry", _FAIL, f"The service account token expired {int(now - ends)} s ago.",
            "Entra ID refuses it (AADSTS700024).",
            "The kubelet renews it: look at the kubelet's log and at the node's clock.",
        )  # fmt: skip
    elif isinstance(ends, int | float) and ends < now + _SOON:
        yield Check(
            "token-expiry", _WARN, f"The service account token expires in {int(ends - now)} s.",
            "The kubelet should have renewed it.", "Look at the kubelet's log.",
        )  # fmt: skip
    issuer = facts.around.issuer
    if isinstance(issuer, str) and claims.get("iss") != issuer:
        yield Check(
            "token-issuer", _FAIL, f"The token's issuer is {claims.get('iss')}, the cluster's"
            f" {issuer}.", "Federated credentials name one of them (AADSTS700211).",
            "The API server was given another --service-account-issuer: restart the pod.",
        )  # fmt: skip
    if claims.get("sub") != facts.subject:
        yield Check(
            "token-subject", _FAIL, f"The token's subject is {claims.get('sub')}.",
            f"The pod runs as {facts.subject}.", "AZURE_FEDERATED_TOKEN_FILE names another token.",
        )  # fmt: skip


def _clock(found: Object) -> Iterator[Check]:
    skew = part(found, "login").get("skew")
    if isinstance(skew, int | float) and abs(skew) > _SKEW:
        yield Check(
            "clock", _WARN if abs(skew) < 300 else _FAIL,
            f"The node's clock differs from Entra ID's by {abs(int(skew))} s.",
            "Tokens seem expired, or not yet valid (AADSTS700024).",
            "Set the node's clock: is its time service running?",
        )  # fmt: skip
    elif isinstance(skew, int | float):
        yield Check("clock", _PASS, "The clocks agree.")


def _redirect(found: Object, facts: Facts) -> Iterator[Check]:
    redirect = part(found, "redirect")
    if facts.is_told:
        yield from _no_redirect(str(redirect.get("reaches")))
        return
    if facts.container(contract.INIT_CONTAINER) is None or "reaches" not in redirect:
        return
    if redirect.get("exempt"):
        return  # azwi-proxy's own user is let through: the init container has proven the rest
    if redirect.get("reaches") == contract.SERVER_NAME:
        yield Check("redirect", _PASS, "The metadata address leads to azwi-proxy.")
    else:
        yield Check(
            "redirect", _FAIL, f"The metadata address leads to {redirect.get('reaches')}.",
            "The pod may get the node's identity.",
            f"Create the pod anew; the log of {contract.INIT_CONTAINER} says what it set.",
        )  # fmt: skip


def _no_redirect(reaches: str) -> Iterator[Check]:
    """Environment mode: who answers at the metadata address serves those alone who are not told."""
    who = {
        contract.SERVER_NAME: "The metadata address leads to azwi-proxy all the same.",
        "nobody": "At the metadata address nobody answers.",
    }
    node = (
        "An app that ignores the variables reaches the node's metadata service (docs/modes.md says"
        " how to close that)."
    )
    yield Check("redirect", _PASS, f"No redirect is expected. {who.get(reaches, node)}")


def _login(found: Object) -> Iterator[Check]:
    login = part(found, "login")
    host = login.get("host")
    if problem := login.get("problem"):
        remedy = {
            "resolve": "Look at the cluster's DNS, and at a network policy that keeps the pod from"
            " it.",
            "connect": "Allow egress to it on port 443, or set HTTPS_PROXY.",
            "tls": "A firewall that opens TLS needs its CA in the pod: SSL_CERT_FILE.",
        }.get(str(login.get("stage")), "Look at the network between.")
        yield Check(
            "egress", _FAIL, f"The login host {host} cannot be reached: {problem}.",
            "No token can be exchanged.", remedy,
        )  # fmt: skip
    elif host:
        yield Check("egress", _PASS, f"The login host {host} answers over TLS.")


def _ready(found: Object, facts: Facts) -> Iterator[Check]:
    ready = part(found, "ready")
    if problem := ready.get("problem"):
        yield Check(
            "ready", _FAIL, f"azwi-proxy is not ready: {problem}.",
            "The pod gets no token.", f"{facts.log_command(contract.PROXY_CONTAINER)} says more.",
        )  # fmt: skip
    else:
        yield Check("ready", _PASS, f"azwi-proxy is ready on port {ready.get('port')}.")


def _exchanges(results: Object, facts: Facts) -> Iterator[Check]:
    """What its metrics say: how often the token was exchanged, and with what result."""
    good = int(results.get("ok") or 0)
    bad = {str(name): int(count) for name, count in results.items() if name != "ok" and count}
    if good:
        yield Check(
            "exchanges", _PASS, f"azwi-proxy got tokens from Entra ID, {good} times so far."
        )
    elif bad:
        most = max(bad, key=lambda name: bad[name])
        yield Check(
            "exchanges", _FAIL, f"None of {sum(bad.values())} exchanges succeeded, mostly {most}.",
            "The pod gets no token.", f"azwi doctor explain {most}"
            if most.startswith("AADSTS") else f"{facts.log_command(contract.PROXY_CONTAINER)}.",
        )  # fmt: skip
    else:
        yield Check("exchanges", _PASS, "Nobody has asked azwi-proxy for a token yet.")
