"""What people and programs read about a plan: the report's data, its tables, what is next. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from azwi_cli.podidentity import classes, credentials, names, patches
from azwi_cli.podidentity.facts import Facts, Identity
from azwi_cli.podidentity.plan import Credential, Item, Plan, Status
from azwi_common import contract

HEAD: Final = ("NAMESPACE", "WORKLOAD", "PODS", "IDENTITY", "SERVICE ACCOUNT", "RESULT")


def data(plan: Plan, facts: Facts) -> dict[str, Any]:
    """The report, as report.json has it."""
    counted = Counter(item.status for item in plan.items)
    named = names.Names(plan.items)
    return {
        "version": 1,
        "source": facts.source,
        "issuer": facts.issuer,
        "summary": {
            "workloads": len(plan.items),
            **{str(status): counted[status] for status in Status},
        },
        "workloads": [_workload(item, named) for item in plan.items],
        "federatedCredentials": [_credential(item, facts.issuer) for item in plan.credentials],
        "secretProviderClasses": [
            {
                "namespace": thing.namespace,
                "name": thing.name,
                "uses": patches.uses_node_identity(thing),
                "clientId": classes.one(clients),
                "says": _class_says(clients),
            }
            for thing, clients in classes.tied(plan, facts)
        ],
        "tooManyCredentials": list(plan.crowded),
        "notes": list(plan.notes),
    }


def _workload(item: Item, named: names.Names) -> dict[str, Any]:
    made: dict[str, Any] = {
        "namespace": item.ref.namespace,
        "kind": item.ref.kind,
        "name": item.ref.name,
        "result": str(item.status),
        "pods": item.pods,
        "proxyMode": str(item.mode),
        "identities": [_identity(identity) for identity in item.identities],
        "default": item.default.client_id if item.default else "",
        "serviceAccount": {"name": item.template.service_account, "new": False},
        "reasons": [
            {
                "code": reason.code,
                "weight": str(reason.weight),
                "says": reason.says,
                "remedy": reason.remedy,
            }
            for reason in item.reasons
        ],
        "files": [],
    }
    if item.account:
        made["serviceAccount"] = {"name": item.account.name, "new": item.account.is_new}
        if item.account.is_new:
            made["serviceAccount"]["replaces"] = item.account.left
    if names.changes(item):
        made["files"] = sorted(named.of(item).values())
    if item.role_bindings:
        made["roleBindings"] = [
            {"kind": found.ref.kind, "name": found.ref.name, "role": found.role}
            for found in item.role_bindings
        ]
    return made


def _identity(identity: Identity) -> dict[str, Any]:
    return {
        "namespace": identity.namespace,
        "name": identity.name,
        "clientId": identity.client_id,
        "resourceId": identity.resource_id,
    }


def _credential(credential: Credential, issuer: str) -> dict[str, Any]:
    end = f"-{credentials.suffix(issuer)}" if issuer else ""
    return {
        "name": credentials.stem(credential) + end,
        "identity": credential.identity.name,
        "resourceId": credential.identity.resource_id,
        "subject": credential.subject,
        "audience": contract.TOKEN_EXCHANGE_AUDIENCE,
    }


_MOUNTS: Final = "It mounts before any container runs, so the sidecar cannot serve it"


def _class_says(clients: frozenset[str]) -> str:
    if classes.one(clients):
        return (
            f"{_MOUNTS}: apply its patch when its workloads have migrated. The federated"
            " credential is the same."
        )
    if not clients:
        return (
            f"{_MOUNTS}. No workload here that asks for an identity mounts it: set clientID to"
            " the identity that is meant, and let it trust the service accounts of its pods."
        )
    return (
        f"{_MOUNTS}, and its workloads have no one identity: make a class for each, with clientID."
    )


def rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """For the terminal's table, by ``HEAD``."""
    for item in found["workloads"]:
        account = item["serviceAccount"]
        yield (
            item["namespace"],
            f"{item['kind'].lower()}/{item['name']}",
            str(item["pods"]),
            ", ".join(identity["name"] for identity in item["identities"]) or "-",
            f"{account['name']} (new)" if account["new"] else account["name"],
            item["result"],
        )


def told(found: dict[str, Any]) -> str:
    """Below the table: why, and what to do."""
    lines: list[str] = []
    for item in found["workloads"]:
        if item["reasons"]:
            where = f"{item['namespace']}/{item['kind'].lower()}/{item['name']}"
            lines += ["", f"{where}: {item['result']}"]
            lines += [f"  - {text}" for text in _texts(item["reasons"])]
    for thing in found["secretProviderClasses"]:
        lines += ["", f"{thing['namespace']}/secretproviderclass/{thing['name']} ({thing['uses']})"]
        lines += [f"  - {thing['says']}"]
    notes = [*found["tooManyCredentials"], *found["notes"]]
    lines += ["", *(f"Note: {note}" for note in notes)] if notes else []
    return "\n".join([*lines, "", _summary(found["summary"])]).lstrip("\n")


def _texts(reasons: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{reason['says']} {reason['remedy']}".strip() for reason in reasons]


def _summary(counted: dict[str, int]) -> str:
    if not counted["workloads"]:
        return "No workload carries the label aadpodidbinding: there is nothing to migrate."
    parts = [f"{counted[status]} {status}" for status in Status if counted[status]]
    many = counted["workloads"]
    return f"{many} workload{'s' if many != 1 else ''}: {', '.join(parts)}."


def is_complete(found: dict[str, Any]) -> bool:
    """Whether nothing is left to be decided or done by hand."""
    counted = found["summary"]
    good = counted[Status.MIGRATES] + counted[Status.MIGRATED]
    return bool(good == counted["workloads"] and not found["tooManyCredentials"])
