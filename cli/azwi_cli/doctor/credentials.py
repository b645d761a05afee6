"""The issuer of the pod's tokens, and what Entra ID said of them last. Pure."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from azwi_cli import discovery
from azwi_cli.checks import Check, Status
from azwi_cli.doctor import messages
from azwi_cli.doctor.facts import Facts, Refusal, Surroundings, Unread

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_NO_MATCH: Final = frozenset(
    f"AADSTS{code}" for code in (70021, 700211, 700212, 700213, 7002138, 70025)
)
"""That no federated credential matches; which part Entra ID names has changed over the years."""


def issuer(around: Surroundings) -> Iterator[Check]:
    """Whether the cluster's issuer can be one for Entra ID."""
    found = around.issuer
    if isinstance(found, Unread):
        yield Check(
            "issuer", _WARN, f"The cluster's issuer is not known: {found.says}",
            "Federated credentials name it to the letter.", "azwi oidc issuer prints it.",
        )  # fmt: skip
    elif problem := discovery.unfit_for_entra(found):
        yield Check(
            "issuer", _FAIL, f"The cluster's issuer is {found}.",
            problem, "Set the API server's --service-account-issuer to a public URL, on AKS:"
            " az aks update --enable-oidc-issuer.",
        )  # fmt: skip
    else:
        yield Check("issuer", _PASS, f"The cluster's issuer is {found}.")
        yield from _published(around.published)


def _published(found: Sequence[Check]) -> Iterator[Check]:
    """What is not well of it; one line where all is."""
    wrong = [check for check in found if check.status is not _PASS]
    yield from wrong
    if found and not wrong:
        yield Check("issuer-published", _PASS, "Its documents and keys are published for Entra ID.")


def keys_match(issuer: str, of_cluster: Sequence[str], published: Sequence[str]) -> Iterator[Check]:
    """Whether the keys that the cluster signs with are among those that Entra ID reads."""
    lacking = [kid for kid in of_cluster if kid not in published]
    if not lacking:
        return
    none = len(lacking) == len(of_cluster)
    yield Check(
        "issuer-keys", _FAIL if none else _WARN,
        f"The cluster's {'keys are' if none else 'key ' + lacking[0] + ' is'} not published.",
        "Entra ID cannot verify tokens that they sign (AADSTS700027, AADSTS50013).",
        "Publish them: azwi oidc generate --from-cluster; in a rotation: azwi oidc rotate"
        f" {issuer}.",
    )  # fmt: skip


def said(facts: Facts, known: Collection[Refusal] = ()) -> Iterator[Check]:
    """Exchanges whose last try failed, by azwi-proxy's log, in Entra ID's own words.

    ``known`` are the refusals that another check has explained already.
    """
    if isinstance(facts.log, Unread):
        yield Check(
            "log", _WARN, f"azwi-proxy's log could not be read: {facts.log.says}",
            "It has what Entra ID answered last.",
            "Run azwi with a user that may get pods/log.",
        )  # fmt: skip
    told: set[str] = set()
    for (client, scope), entry in facts.exchanges.items():
        reason = str(entry.get("reason"))
        is_known = any(_explains(one, client.lower(), reason) for one in known)
        if reason != "ok" and reason not in told and not is_known:
            told.add(reason)
            yield _refused(client, scope, reason, str(entry.get("told") or ""))


def _explains(one: Refusal, client: str, reason: str) -> bool:
    same = one.code == reason or {one.code, reason} <= _NO_MATCH
    return same and one.client_id in ("", client)


def _refused(client: str, scope: str, reason: str, told: str) -> Check:
    whose = f"The last exchange for client {client} and {scope} failed"
    found = messages.explained(reason)
    if not found:
        return Check(
            "entra-says", _FAIL, f"{whose} ({reason}): {' '.join(told.split())[:200].rstrip('.')}.",
            "The pod gets no token.", "azwi doctor --in-pod looks at the network from inside.",
        )  # fmt: skip
    (known, *_) = found
    remedy = " ".join(filter(None, (known.cause, known.remedy, _waiting(known.waiting))))
    return Check("entra-says", _FAIL, f"{whose} with {known.code}.", known.meaning, remedy)


def _waiting(text: str) -> str:
    return f"Does waiting help: {text}." if text else ""
