"""Carries a plan out, one operation after the other.

Each is such that doing it again does no harm: whoever is interrupted runs the command again.
"""

import dataclasses
from collections.abc import Callable
from typing import Final

from azwi_cli import errors
from azwi_cli.serviceaccount import named
from azwi_cli.serviceaccount.known import MADE_BY, Found, Kind, Target, Wanted
from azwi_cli.serviceaccount.operations import Action, Operation, Plan, What, account_of
from azwi_cli.serviceaccount.peers import Peers
from azwi_common import contract

_LONGEST_TAG: Final = 256  # characters of a value, by ARM; a namespace and an account may have 317


def run(
    plan: Plan, wanted: Wanted, found: Found, peers: Peers, done: Callable[[Operation], None]
) -> Target | None:
    """Do what ``plan`` says, calling ``done`` after each; the target as it is afterwards."""
    carrier = _Carrier(wanted, found, peers)
    for step in plan:
        if step.is_change:
            carrier.act(step)
        done(step)
    return carrier.target


class _Carrier:
    def __init__(self, wanted: Wanted, found: Found, peers: Peers) -> None:
        self.target = found.target
        self._wanted, self._found, self._peers = wanted, found, peers

    def act(self, step: Operation) -> None:
        acts = _DELETES if step.action is Action.DELETE else _WRITES
        acts[step.what](self, step)

    # --- Writes -----------------------------------------------------------------------------------

    def make_application(self, _: Operation) -> None:
        self.target = self._peers.graph.create(self._wanted.choice.name)

    def make_principal(self, _: Operation) -> None:
        target = self._known()
        principal_id = self._peers.graph.create_principal(target.client_id)
        self.target = dataclasses.replace(target, principal_id=principal_id)

    def make_identity(self, _: Operation) -> None:
        choice, account = self._wanted.choice, self._wanted.account
        tags = {MADE_BY: str(account)[:_LONGEST_TAG] if account else "azwi"}
        self.target = self._peers.arm().create(choice.group, choice.name, choice.location, tags)

    def write_account(self, step: Operation) -> None:
        filled = {
            name: self._of_target(name) if value == "" else value
            for name, value in step.changes.items()
        }
        if filled.get(contract.IDENTITIES_ANNOTATION) == "":  # the object id is not known
            del filled[contract.IDENTITIES_ANNOTATION]
        new = step.action is Action.CREATE
        self._peers.accounts.apply(account_of(self._wanted), filled, new=new)

    def _of_target(self, annotation: str) -> str:
        """What an annotation says of the target, which was made before."""
        target, existing = self._known(), self._found.account
        if annotation == contract.CLIENT_ID_ANNOTATION:
            return target.client_id
        return named.completed(existing.annotations.get(annotation, "") if existing else "", target)

    def write_credential(self, step: Operation) -> None:
        target, credential = self._known(), step.credential
        if credential is None:
            raise TypeError("a plan's credential is missing")
        if target.kind is Kind.IDENTITY:
            self._peers.arm(target.id).put_credential(target, credential)
        elif step.action is Action.CREATE:
            account = account_of(self._wanted)
            self._peers.graph.create_credential(target, credential, account)
        else:
            self._peers.graph.update_credential(target, credential)

    def assign(self, step: Operation) -> None:
        role = self._wanted.role
        principal_id = self._found.principal_id or (self.target.principal_id if self.target else "")
        if role is None or not principal_id:
            raise errors.NotFound(
                "There is no service principal to give the role to.",
                "azwi sa create phase aad-application makes one.",
            )
        self._peers.arm(role.scope).assign(role.scope, step.resource, principal_id)

    # --- Deletions --------------------------------------------------------------------------------

    def delete_target(self, _: Operation) -> None:
        target = self._known()
        if target.kind is Kind.IDENTITY:
            self._peers.arm(target.id).delete(target)
        else:
            self._peers.graph.delete(target)

    def delete_account(self, step: Operation) -> None:
        account = account_of(self._wanted)
        if step.resource:
            self._peers.accounts.delete(account)
        else:
            self._peers.accounts.strip(account, step.changes)

    def delete_credential(self, step: Operation) -> None:
        target, credential = self._known(), step.credential
        if credential is None:
            raise TypeError("a plan's credential is missing")
        if target.kind is Kind.IDENTITY:
            self._peers.arm(target.id).delete_credential(target, credential)
        else:
            self._peers.graph.delete_credential(target, credential)

    def unassign(self, step: Operation) -> None:
        try:
            self._peers.arm(step.resource).unassign(step.resource)
        except errors.Forbidden as error:
            # Whoever may delete an identity may see its roles, but not take them away.
            leave = "" if self._wanted.alone else " To leave it: --skip-phases role-assignment."
            raise errors.Forbidden(error.says, f"{error.remedy}{leave}") from error

    def _known(self) -> Target:
        if self.target is None:
            raise TypeError("a plan's target is missing")
        return self.target


_WRITES = {
    What.APPLICATION: _Carrier.make_application,
    What.PRINCIPAL: _Carrier.make_principal,
    What.IDENTITY: _Carrier.make_identity,
    What.ACCOUNT: _Carrier.write_account,
    What.CREDENTIAL: _Carrier.write_credential,
    What.ROLE: _Carrier.assign,
}
_DELETES = {
    What.APPLICATION: _Carrier.delete_target,
    What.IDENTITY: _Carrier.delete_target,
    What.ACCOUNT: _Carrier.delete_account,
    What.CREDENTIAL: _Carrier.delete_credential,
    What.ROLE: _Carrier.unassign,
}
