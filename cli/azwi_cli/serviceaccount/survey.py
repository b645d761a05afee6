"""``azwi sa list``: what the cluster has, and what Entra ID makes of it, where it may be read."""

from typing import Any

from azwi_cli import errors, kube, output
from azwi_cli.serviceaccount import names, options, uses
from azwi_cli.serviceaccount.accounts import Accounts, Listed
from azwi_cli.serviceaccount.directory import Directory
from azwi_cli.serviceaccount.login import Login
from azwi_cli.serviceaccount.peers import Peers
from azwi_cli.serviceaccount.verdict import (
    WRONG,
    Status,
    Tokens,
    Verdict,
    bound,
    has_binding,
    judged,
)
from azwi_common import contract


def run(
    where: options.Where,
    issuer: options.Issuer,
    auth: options.Auth,
    cluster: options.Cluster,
    form: output.Format,
) -> errors.Code:
    """Print the list; ATTENTION where something in it is wrong."""
    if where.last_used and where.offline:
        raise errors.BadInput(
            "--last-used asks Entra ID, and --offline does not.", "Leave one of them out."
        )
    accounts = Accounts(lambda: kube.Cluster(cluster.kubeconfig, cluster.context))
    listed = list(accounts.listed(where.namespace or ""))
    peers = Peers(Login(auth), accounts)
    directory = None if where.offline else Directory(peers)
    audience = issuer.audience or Login(auth).cloud.audience
    signed_by = issuer.service_account_issuer_url or ""
    if directory and not signed_by:
        try:
            signed_by = accounts.issuer()
        except errors.AzwiError as error:
            output.note(f"The cluster's issuer is not known: {error}")
    rows = [_row(one, directory, signed_by, audience) for one in listed]
    data: dict[str, Any] = {"issuer": signed_by, "serviceAccounts": rows}
    if where.last_used and directory:
        data["serviceAccounts"], why = uses.told(rows, peers, directory.managed())
        data |= {"lastUsedWhy": why} if why else {}
    output.show(data, form, _table)
    if form is output.Format.TABLE and not where.offline:
        _explain(data)
    wrong = any(row["status"] in WRONG for row in rows)
    return errors.Code.ATTENTION if wrong else errors.Code.DONE


def _explain(data: dict[str, Any]) -> None:
    for why in dict.fromkeys(row["why"] for row in data["serviceAccounts"] if row.get("why")):
        output.note(why)
    if why := data.get("lastUsedWhy"):
        output.note(f"Why a last use is unknown: {why}")


def _row(one: Listed, directory: Directory | None, signed_by: str, audience: str) -> dict[str, Any]:
    annotations = one.existing.annotations
    client_id = annotations.get(contract.CLIENT_ID_ANNOTATION, "")
    tenant_id = annotations.get(contract.TENANT_ID_ANNOTATION, "")
    token = Tokens(signed_by, names.subject(one.namespace, one.name), audience)
    name, verdict = _judged(one, client_id, tenant_id, directory, token)
    row = {
        "namespace": one.namespace,
        "name": one.name,
        "clientId": client_id,
        "tenantId": tenant_id,
        "identity": name,
        "status": str(verdict.status),
    }
    return {**row, "why": f"{one.namespace}/{one.name}: {verdict.why}"} if verdict.why else row


def _judged(
    one: Listed, client_id: str, tenant_id: str, directory: Directory | None, token: Tokens
) -> tuple[str, Verdict]:
    """The identity's name, where it is known, and what is to be said of it."""
    if not client_id:
        return "", Verdict(Status.NO_CLIENT_ID, "It has the label, but no client id.")
    if directory is None:
        return "", Verdict(Status.UNKNOWN, "Entra ID was not asked.")
    if not token.issuer:
        return "", Verdict(Status.UNKNOWN, "The issuer is not known.")
    try:
        if tenant_id and tenant_id.lower() != directory.tenant_id.lower():
            return "", Verdict(
                Status.UNKNOWN, f"azwi is logged in to another tenant than {tenant_id}."
            )
        found = directory.look_up(client_id)
    except errors.AzwiError as error:
        return "", Verdict(Status.UNKNOWN, str(error))
    if found is None:
        return "", Verdict(Status.NO_IDENTITY, f"Nothing in the tenant has client id {client_id}.")
    verdict = judged(found.credentials, token)
    if verdict.status is Status.MISSING and has_binding(found.credentials):
        may_use = directory.may_use_binding(one.namespace, one.name, client_id)
        verdict = bound(verdict, may_use)
    return found.target.name, verdict


def _table(data: Any) -> Any:
    rows = data["serviceAccounts"]
    if not rows:
        return "No service account has a workload identity."
    head = ["NAMESPACE", "NAME", "CLIENT ID", "TENANT ID", "IDENTITY", "STATUS"]
    keys = ["namespace", "name", "clientId", "tenantId", "identity", "status"]
    if "lastUsed" in rows[0]:
        head, keys = [*head, "LAST USED"], [*keys, "lastUsed"]
    return output.table(head, ([row[key] or "-" for key in keys] for row in rows))
