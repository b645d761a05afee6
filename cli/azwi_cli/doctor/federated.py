"""Whether a federated credential of each identity matches the pod's token to the letter. Pure.

The credentials come from Entra ID and ARM, or from a file; how Entra ID compares them is
``serviceaccount``'s to know.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from azwi_cli.checks import Check, Status
from azwi_cli.doctor import mending
from azwi_cli.doctor.facts import Asked, Facts, Object, Refusal, Unread, part
from azwi_cli.serviceaccount import verdict
from azwi_cli.serviceaccount.known import CREDENTIALS_PER_TARGET, Credential
from azwi_cli.serviceaccount.nearest import Difference, Nearest, nearest
from azwi_cli.serviceaccount.verdict import Tokens

_MANY: Final = 18
_TOKENS: Final = {"issuer": "the cluster's", "subject": "the pod's", "audience": "the token's"}
_CODES: Final = {"issuer": "AADSTS700211", "subject": "AADSTS700213", "audience": "AADSTS700212"}
_CASE: Final = "AADSTS7002138"
_NONE: Final = "AADSTS70025"
_NO_IDENTITY: Final = "AADSTS700016"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check, and the error of Entra ID that it explains."""

    check: Check
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class _Whose:
    """Credentials, and whose they are."""

    credentials: Sequence[Credential]
    token: Tokens
    identity: Asked | None = None

    @property
    def name(self) -> str:
        return mending.name(self.identity) if self.identity else "the identity"

    def refused(self, says: str, code: str, remedy: str) -> Finding:
        count = f" {_first_upper(self.name)} has {len(self.credentials)} of"
        count += f" {CREDENTIALS_PER_TARGET} federated credentials."
        why = f"Entra ID refuses the token ({code}).{count}"
        client_id = self.identity.client_id if self.identity else ""
        return Finding(
            Check("credential", Status.FAIL, says, why, remedy), Refusal(client_id, code)
        )


def findings(facts: Facts) -> list[Finding]:
    """Of a file's credentials, and of each identity that was asked for."""
    return [*_of_file(facts), *(found for one in facts.entra for found in _of_identity(facts, one))]


def _of_file(facts: Facts) -> Iterator[Finding]:
    if facts.credentials is not None:
        listed = [plain for item in facts.credentials for plain in _plain(item)]
        token = mending.token(facts)
        yield from _count(len(facts.credentials), "The identity")
        yield _judged(facts, _Whose(listed, token))


def _of_identity(facts: Facts, one: Asked) -> Iterator[Finding]:
    if isinstance(one.found, Unread):
        yield Finding(_unknown(facts, one, one.found))
    elif one.found is None:
        yield Finding(_absent(facts, one), Refusal(one.client_id, _NO_IDENTITY))
    else:
        yield from _count(len(one.credentials), _first_upper(mending.name(one)))
        yield _judged(facts, _Whose(one.credentials, mending.token(facts), one))


def _count(number: int, whose: str) -> Iterator[Finding]:
    if number < _MANY:
        return
    yield Finding(
        Check(
            "credentials-count", Status.WARN,
            f"{whose} has {number} of {CREDENTIALS_PER_TARGET} federated credentials.",
            f"It can have {CREDENTIALS_PER_TARGET}.", "Give further workloads an identity of their"
            " own, or use AKS identity bindings.",
        )
    )  # fmt: skip


def _judged(facts: Facts, whose: _Whose) -> Finding:
    token, credentials = whose.token, whose.credentials
    if not token.issuer:  # it cannot be compared
        credentials = [dataclasses.replace(one, issuer="") for one in credentials]
    found = verdict.judged(credentials, token)
    if found.status is verdict.Status.OK:
        return Finding(Check("credential", Status.PASS, _matches(whose)))
    if found.status is verdict.Status.UNKNOWN:
        return Finding(_flexible(whose))
    near = nearest(credentials, token)
    slip = near.credential if near and near.is_slip else None
    remedy = mending.command(facts, whose.identity, slip)
    if len(credentials) >= CREDENTIALS_PER_TARGET:
        remedy = (
            f"Delete a federated credential that nobody uses, for there is no room; then {remedy}"
        )
    return _near(whose, near, remedy) if near else _none(whose, remedy)


def _matches(whose: _Whose) -> str:
    of = f" of {whose.name}" if whose.identity else ""
    if not whose.token.issuer:
        return f"A federated credential{of} has subject and audience; the issuer is not known."
    if not whose.identity:
        return "A federated credential matches to the letter."
    number = len(whose.credentials)
    return (
        f"A federated credential{of} matches to the letter; it has {number} of"
        f" {CREDENTIALS_PER_TARGET}."
    )


def _flexible(whose: _Whose) -> Check:
    return Check(
        "credential", Status.WARN,
        f"A flexible federated credential of {whose.name} may match; azwi does not read its"
        " expression.",
        "Only Entra ID evaluates it.", f"Compare it with the subject {whose.token.subject}.",
    )  # fmt: skip


def _near(whose: _Whose, near: Nearest, remedy: str) -> Finding:
    first, *more = near.differences
    clauses = [f"The {_part(first, near, whose)}", *(f"its {_part(item)}" for item in more)]
    is_case = first.part == "subject" and first.has.lower() == first.wants.lower()
    return whose.refused(f"{'; '.join(clauses)}.", _CASE if is_case else _CODES[first.part], remedy)


def _part(item: Difference, near: Nearest | None = None, whose: _Whose | None = None) -> str:
    subject = ""
    if near and whose:
        subject = f" of the federated credential {near.credential.name}"
        subject += f" of {whose.name}" if whose.identity else ""
    has = f"'{item.has}'" if item.has.strip() != item.has else item.has or "none"
    return f"{item.part}{subject} is {has}, {_TOKENS[item.part]} {item.wants}: {item.how}"


def _none(whose: _Whose, remedy: str) -> Finding:
    if not whose.credentials:
        says = f"{_first_upper(whose.name)} has no federated credential."
        return whose.refused(says, _NONE, remedy)
    subjects = sorted({one.subject for one in whose.credentials})
    more = f" and {len(subjects) - 5} more" if len(subjects) > 5 else ""
    says = (
        f"No federated credential of {whose.name} has the subject {whose.token.subject}; they have"
        f" {', '.join(subjects[:5])}{more}."
    )
    return whose.refused(says, _CODES["subject"], remedy)


def _absent(facts: Facts, one: Asked) -> Check:
    return Check(
        "identity", Status.FAIL,
        f"Nothing in the tenant {one.tenant_id} has the client ID {one.client_id}.",
        f"It was deleted, or it is in another tenant ({_NO_IDENTITY}).",
        mending.other_identity(facts, one),
    )  # fmt: skip


def _unknown(facts: Facts, one: Asked, why: Unread) -> Check:
    reasons = {
        entry.get("reason")
        for (client, _), entry in facts.exchanges.items()
        if client.lower() == one.client_id
    }
    says = why.says.rstrip(".")
    if reasons == {"ok"}:
        return Check(
            "credential", Status.PASS,
            f"The federated credentials of {one.client_id} are unknown ({says}), but Entra ID took"
            " the pod's token last.",
        )  # fmt: skip
    return Check(
        "credential", Status.WARN,
        f"Whether a federated credential of {one.client_id} matches is unknown: {says}.",
        "Entra ID refuses the pod's token where none does.",
        f"{one.remedy} Or give --federated-credentials FILE; --no-entra leaves it out.".lstrip(),
    )  # fmt: skip


def _plain(credential: Object) -> Iterator[Credential]:
    """As az prints it, alone or within ``properties``; one for each audience."""
    inner = part(credential, "properties") or credential
    for audience in inner.get("audiences") or ("",):
        yield Credential(
            name=str(credential.get("name") or "NAME"),
            issuer=str(inner.get("issuer") or ""),
            subject=str(inner.get("subject") or ""),
            audience=str(audience),
        )


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
