"""Whether Entra ID would take the pod's token: the issuer, the federated credentials, its words.

Pure. Issuer, subject and audience are compared to the letter, as Entra ID does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from azwi_cli import discovery
from azwi_cli.checks import Check, Status
from azwi_cli.doctor import messages
from azwi_cli.doctor.facts import Facts, Object, Surroundings, Unread, part
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_LIMIT: Final = 20
_MANY: Final = 18
_EXCHANGE: Final = "token exchange"  # how azwi-proxy logs each


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


def keys_match(of_cluster: Sequence[str], published: Sequence[str]) -> Iterator[Check]:
    """Whether the keys that the cluster signs with are among those that Entra ID reads."""
    lacking = [kid for kid in of_cluster if kid not in published]
    if not lacking:
        return
    none = len(lacking) == len(of_cluster)
    yield Check(
        "issuer-keys", _FAIL if none else _WARN,
        f"The cluster's {'keys are' if none else 'key ' + lacking[0] + ' is'} not published.",
        "Entra ID cannot verify tokens that they sign (AADSTS700027, AADSTS50013).",
        "Publish them: azwi oidc generate --from-cluster; in a rotation: azwi oidc rotate.",
    )  # fmt: skip


def checks(facts: Facts) -> Iterator[Check]:
    """The credentials where they are known, and what Entra ID said last."""
    if facts.credentials is not None:
        yield from _credentials(facts, facts.credentials)
    yield from _said(facts)


def _credentials(facts: Facts, given: Sequence[Object]) -> Iterator[Check]:
    found = [*map(_plain, given)]
    if len(found) >= _MANY:
        yield Check(
            "credentials-count", _WARN, f"The identity has {len(found)} federated credentials.",
            f"It can have {_LIMIT}.", "Give further workloads an identity of their own, or use"
            " AKS identity bindings.",
        )  # fmt: skip
    issuer = facts.around.issuer if isinstance(facts.around.issuer, str) else ""
    audience = _audience(facts)
    fitting = [
        item for item in found if item.subject == facts.subject and issuer in ("", item.issuer)
    ]
    if any(audience in item.audiences for item in fitting):
        yield Check("credential", _PASS, "A federated credential matches to the letter.")
        return
    says, code, nearest = (
        _other_audience(fitting[0], audience)
        if fitting
        else _difference(found, facts.subject, issuer)
    )
    verb = f"update --name {nearest.name}" if nearest else f"create --name {facts.account_name}"
    yield Check(
        "credential", _FAIL, says, f"Entra ID refuses the token ({code}).",
        f"az identity federated-credential {verb} --identity-name IDENTITY --resource-group GROUP"
        f" --issuer {issuer or 'ISSUER'} --subject {facts.subject} --audiences {audience}",
    )  # fmt: skip


_Difference = tuple[str, str, "_Credential | None"]
"""What differs, Entra ID's code for it, and the credential to correct, where there is one."""


@dataclass(frozen=True, slots=True)
class _Credential:
    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]


def _plain(credential: Object) -> _Credential:
    """As az prints it, alone or within ``properties``."""
    inner = part(credential, "properties") or credential
    return _Credential(
        str(credential.get("name") or "NAME"),
        str(inner.get("issuer") or ""),
        str(inner.get("subject") or ""),
        tuple(map(str, inner.get("audiences") or ())),
    )


def _audience(facts: Facts) -> str:
    for volume in facts.spec.get("volumes") or ():
        for source in part(volume, "projected").get("sources") or ():
            token = part(source, "serviceAccountToken")
            if volume.get("name") == contract.TOKEN_VOLUME and token:
                return str(token.get("audience") or "")
    return contract.TOKEN_EXCHANGE_AUDIENCE


def _other_audience(fitting: _Credential, audience: str) -> _Difference:
    has = ", ".join(fitting.audiences) or "none"
    says = f"The federated credential's audience is {has}, the token's {audience}."
    return says, "AADSTS700212", fitting


def _difference(found: Sequence[_Credential], subject: str, issuer: str) -> _Difference:
    """The nearest one, and by what it differs."""
    if not found:
        return "The identity has no federated credential.", "AADSTS70025", None
    for item in found:
        if item.subject == subject:
            slash = item.issuer.rstrip("/") == issuer.rstrip("/")
            says = (
                f"The federated credential's issuer is {item.issuer}, the cluster's {issuer}"
                f"{': the slash differs' * slash}."
            )
            return says, "AADSTS700211", item
        if item.subject.lower() == subject.lower():
            says = f"The federated credential's subject {item.subject} differs in its case."
            return says, "AADSTS7002138", item
    has = ", ".join(sorted({item.subject for item in found})[:5])
    says = f"No federated credential has the subject {subject}; they have {has}."
    return says, "AADSTS700213", None


def _said(facts: Facts) -> Iterator[Check]:
    """Exchanges whose last try failed, by azwi-proxy's log, in Entra ID's own words."""
    last: dict[tuple[str, str], Object] = {}
    for line in facts.log.splitlines():
        entry = _exchange(line)
        if entry:
            last[str(entry.get("client")), str(entry.get("scope"))] = entry
    told: set[str] = set()
    for (client, scope), entry in last.items():
        reason = str(entry.get("reason"))
        if reason != "ok" and reason not in told:
            told.add(reason)
            yield _refused(client, scope, reason, str(entry.get("told") or ""))


def _exchange(line: str) -> Object:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) and entry.get("msg") == _EXCHANGE else {}


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
