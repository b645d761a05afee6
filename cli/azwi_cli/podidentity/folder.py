"""The files of a plan: manifests, patches, kustomizations, commands, the rollback. Pure."""

import json
import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from azwi_cli.podidentity import classes, credentials, names, page, patches, report
from azwi_cli.podidentity.facts import Facts
from azwi_cli.podidentity.plan import Item, Plan

_KUSTOMIZATION: Final = """\
# A component: name this folder under "components" in the kustomization of the app. A service
# account that the app's manifests do not hold is applied by kubectl; take its patch out here.
"""


@dataclass
class _Namespace:
    """Of one folder: file names by what kustomize does with them."""

    resources: list[str] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)


def files(plan: Plan, facts: Facts, *, by_namespace: bool) -> dict[str, bytes]:
    """Content by path below the output folder."""
    made: dict[str, str] = {}
    folders: dict[str, _Namespace] = defaultdict(_Namespace)
    named = names.Names(plan.items)
    for item in names.changing(plan):
        prefix = f"{item.ref.namespace}/" if by_namespace else ""
        _add(item, named.of(item), prefix, made, folders[prefix])
    for thing, clients in classes.tied(plan, facts):
        prefix = f"{thing.namespace}/" if by_namespace else ""
        if client_id := classes.one(clients):
            name = f"secretproviderclass-{thing.name}.yaml"
            made[prefix + name] = dumped(patches.secret_provider_class(thing, client_id))
    for prefix, folder in folders.items():
        made[f"{prefix}kustomization.yaml"] = _kustomization(folder)
    if plan.credentials:
        made["federated-credentials.sh"] = credentials.az_script(plan.credentials, facts.issuer)
        made["federated-credentials.tf"] = credentials.terraform(plan.credentials, facts.issuer)
    if folders:
        made["rollback.sh"] = rollback_script(plan)
    data = report.data(plan, facts)
    made["report.json"] = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    made["report.html"] = page.html(data)
    return {name: text.encode() for name, text in sorted(made.items())}


def _add(
    item: Item, own: dict[str, str], prefix: str, made: dict[str, str], folder: _Namespace
) -> None:
    made[prefix + own["account"]] = dumped(patches.account(item))
    made[prefix + own["patch"]] = dumped(patches.workload(item))
    folder.patches.append(own["patch"])
    if item.account and item.account.is_new:
        folder.resources.append(own["account"])
    else:
        folder.patches.append(own["account"])
    if item.role_bindings:
        made[prefix + own["roles"]] = "---\n".join(map(dumped, patches.role_bindings(item)))


def _kustomization(folder: _Namespace) -> str:
    made: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
    }
    if folder.resources:
        made["resources"] = sorted(folder.resources)
    made["patches"] = [{"path": name} for name in sorted(folder.patches)]
    return _KUSTOMIZATION + dumped(made)


def rollback_script(plan: Plan) -> str:
    """Takes everything back with kubectl; what is gone already is passed over."""
    lines = [
        "#!/bin/sh",
        "# Takes the migration back: workloads first, then their service accounts.",
        "set -u",
    ]
    for item in names.changing(plan):
        if item.ref.kind in ("Pod", "Job"):
            lines.append(f"# {item.ref.text}: delete it and create it as it was.")
        else:
            lines.append(_kubectl(item, "patch", item.ref.text, patches.rollback(item)))
    done = set()
    for item in names.changing(plan):
        if item.account is None or (item.ref.namespace, item.account.name) in done:
            continue
        done.add((item.ref.namespace, item.account.name))
        target = f"serviceaccount/{item.account.name}"
        if item.account.is_new and item.account.before is None:
            lines.append(_kubectl(item, "delete", target, None))
        else:
            lines.append(_kubectl(item, "patch", target, patches.account_rollback(item)))
    return "\n".join(lines) + "\n"


def _kubectl(item: Item, verb: str, target: str, patch: dict[str, Any] | None) -> str:
    words = ["kubectl", "--namespace", item.ref.namespace, verb, target]
    if patch is None:
        return shlex.join([*words, "--ignore-not-found"])
    text = json.dumps(patch, separators=(",", ":"))
    return shlex.join([*words, "--type=merge", f"--patch={text}"])


def dumped(thing: dict[str, Any]) -> str:
    """YAML in the order of the fields, of which a reader of YAML 1.1 takes no text for a truth."""
    import yaml

    return yaml.safe_dump(thing, sort_keys=False, allow_unicode=True, width=10_000)
