"""How ``create`` and ``delete`` go: look, plan, show or ask, carry out, say what was done."""

import dataclasses
from collections.abc import Sequence

from azwi_cli import ask, errors, kube, output
from azwi_cli.serviceaccount import (
    carry_out,
    creation,
    deletion,
    exchange,
    options,
    peers,
    shown,
)
from azwi_cli.serviceaccount.accounts import Accounts
from azwi_cli.serviceaccount.known import Found, Target, Wanted
from azwi_cli.serviceaccount.login import Login
from azwi_cli.serviceaccount.operations import Operation, Plan
from azwi_cli.serviceaccount.wanted import Given, needs_issuer
from azwi_cli.serviceaccount.wanted import wanted as checked


def create(
    given: Given,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    *,
    audience: str = "",
    wait: options.Wait | None = None,
) -> None:
    """Make what is missing, change what differs, keep the rest."""
    asked = _peers(auth, cluster)
    want = _wanted(given, asked, audience, deleting=False)
    found = peers.observe(want, asked, deleting=False)
    want = peers.completed(want, found, asked)
    plan = creation.plan(want, found)
    for sentence in creation.warnings(want, found, plan):
        output.note(f"Warning: {sentence}")
    if run.dry_run:
        _show(plan, run, want, found.target, done=False)
        return
    target = _carried_out(plan, want, found, asked)
    _show(plan, run, want, target, done=True)
    if wait and wait.wait:
        _wait(want, target, asked, wait)


def delete(
    given: Given,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    *,
    yes: bool,
) -> None:
    """Remove what ``create`` makes; asks before."""
    asked = _peers(auth, cluster)
    want = _wanted(given, asked, "", deleting=True)
    found = peers.observe(want, asked, deleting=True)
    plan = deletion.plan(want, found)
    if run.dry_run:
        _show(plan, run, want, found.target, done=False)
        return
    if any(step.is_change for step in plan):
        if not yes:
            output.note(shown.text(plan, done=False))
        ask.confirmed("Delete this?", yes=yes)
    _carried_out(plan, want, found, asked)
    _show(plan, run, want, None, done=True)


def _peers(auth: options.Auth, cluster: options.Cluster) -> peers.Peers:
    accounts = Accounts(lambda: kube.Cluster(cluster.kubeconfig, cluster.context))
    return peers.Peers(Login(auth), accounts)


def _wanted(given: Given, asked: peers.Peers, audience: str, *, deleting: bool) -> Wanted:
    if not given.issuer and needs_issuer(given) and given.account:
        given = dataclasses.replace(given, issuer=_issuer(asked))
    return checked(given, audience=audience or asked.login.cloud.audience, deleting=deleting)


def _issuer(asked: peers.Peers) -> str:
    try:
        issuer = asked.accounts.issuer()
    except errors.AzwiError as error:
        remedy = f"{error.remedy} Or give the issuer: --service-account-issuer-url."
        raise type(error)(error.says, remedy.strip()) from error
    output.debug(f"the API server's issuer is {issuer}")
    return issuer


def _carried_out(plan: Plan, want: Wanted, found: Found, asked: peers.Peers) -> Target | None:
    done: list[Operation] = []
    try:
        return carry_out.run(plan, want, found, asked, done.append)
    except (errors.AzwiError, KeyboardInterrupt):
        changed = [step for step in done if step.is_change]
        if changed:
            output.note(f"{shown.text(changed, done=True)}\nRun it again: it goes on from there.")
        raise


def _show(
    plan: Sequence[Operation], run: options.Run, want: Wanted, target: Target | None, *, done: bool
) -> None:
    data = shown.as_data(plan, want, target, done=done)
    output.show(data, run.form, lambda _: shown.whole(plan, data, done=done))


def _wait(want: Wanted, target: Target | None, asked: peers.Peers, wait: options.Wait) -> None:
    account, client_id = want.account, target.client_id if target else want.choice.client_id
    if account is None or not client_id or not account.issuer:
        output.note("--wait is for service account and federated identity together.")
        return
    login, known = asked.login, account

    def token() -> str:
        return asked.accounts.token(known, want.audience)

    try:
        token()
    except (errors.Denied, errors.NotFound) as error:
        output.note(
            f"Whether Entra ID takes its tokens cannot be tried: {error.says} Usually it does"
            " after a minute."
        )
        return
    output.note("Waiting for Entra ID to take the service account's token …")
    exchange.wait(
        login.cloud, login.tenant_id, client_id, account, token, seconds=wait.wait_timeout
    )
    output.note(f"Entra ID takes the tokens of {account}.")
