"""Which federated credentials and role assignments are those of a service account. Pure.

Entra ID compares issuer, subject and audience to the letter; what only resembles is no match.
"""

from collections.abc import Iterator, Sequence

from azwi_cli.serviceaccount import names
from azwi_cli.serviceaccount.known import Account, Assignment, Credential, Kind


def name_for(account: Account, kind: Kind) -> str:
    """Of the credential that azwi makes."""
    make = names.credential if kind is Kind.APPLICATION else names.identity_credential
    return make(account.namespace, account.name, account.issuer)


def of_account(
    credentials: Sequence[Credential], account: Account, kind: Kind
) -> tuple[Credential, ...]:
    """Those with its issuer and subject, whoever named them, and the one of azwi's name."""
    name = name_for(account, kind).lower()
    exact = tuple(
        one for one in credentials if (one.issuer, one.subject) == (account.issuer, account.subject)
    )
    named = (one for one in credentials if one.name.lower() == name and one not in exact)
    return (*exact, *named)


def differences(old: Credential, goal: Credential) -> list[str]:
    """What is to be changed, each as a clause; none where it matches."""
    parts = (
        ("issuer", old.issuer, goal.issuer),
        ("subject", old.subject, goal.subject),
        ("audience", old.audience, goal.audience),
    )
    return [f"{part} until now {was}" for part, was, wanted in parts if was != wanted]


def near(credentials: Sequence[Credential], account: Account) -> Iterator[str]:
    """A sentence for each credential that looks like the account's and is not."""
    for one in credentials:
        if one.subject != account.subject and one.subject.lower() == account.subject.lower():
            yield (
                f"The credential {one.name} is for {one.subject}, which differs in upper and lower"
                " case: Entra ID does not take it for this account."
            )
        if one.subject == account.subject and one.issuer != account.issuer and _alike(one, account):
            yield (
                f"The credential {one.name} is for the issuer {one.issuer}, which differs in its"
                " slash or case: Entra ID does not take it for this cluster."
            )


def _alike(one: Credential, account: Account) -> bool:
    return one.issuer.rstrip("/").lower() == account.issuer.rstrip("/").lower()


def is_role(one: Assignment, scope: str, role_definition_id: str) -> bool:
    """Whether an assignment gives this role at this very scope; ARM ignores case."""
    same_scope = one.scope.rstrip("/").lower() == scope.rstrip("/").lower()
    return same_scope and _last(one.role_definition_id) == _last(role_definition_id)


def _last(resource_id: str) -> str:
    return resource_id.rpartition("/")[2].lower()
