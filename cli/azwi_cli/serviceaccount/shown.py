"""How a plan is shown, before and after it is carried out. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from azwi_cli.serviceaccount.known import Target, Wanted
from azwi_cli.serviceaccount.operations import Action, Operation

_DONE: Final = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DELETE: "deleted",
    Action.KEEP: "kept",
    Action.SKIP: "skipped",
}
_WIDTH: Final = 8


def as_data(
    plan: Sequence[Operation], want: Wanted, target: Target | None, *, done: bool
) -> dict[str, Any]:
    """For programs: every step, and the ids that a pod or a script needs."""
    ids = {
        "clientId": target.client_id if target else want.choice.client_id,
        "objectId": target.id if target else "",
        "principalId": target.principal_id if target else want.choice.principal_id,
        "tenantId": want.tenant_id,
        "serviceAccount": str(want.account) if want.account else "",
        "issuer": want.account.issuer if want.account else "",
    }
    steps = [
        {
            "phase": str(step.phase),
            "action": str(step.action),
            "what": str(step.what),
            "says": step.says,
        }
        for step in plan
    ]
    changed = any(step.is_change for step in plan)
    return {
        "done": done,
        "changed": changed,
        "steps": steps,
        **{name: value for name, value in ids.items() if value},
    }


def text(plan: Sequence[Operation], *, done: bool) -> str:
    """For people: a line each."""
    words = [_DONE[step.action] if done else str(step.action) for step in plan]
    return "\n".join(
        f"{word:<{_WIDTH}}  {step.says}" for word, step in zip(words, plan, strict=True)
    )


def whole(plan: Sequence[Operation], data: Mapping[str, Any], *, done: bool) -> str:
    """For people: the lines, and what they come to."""
    lines = [text(plan, done=done)]
    ids = [
        f"{label:<11}{data[name]}"
        for name, label in (("clientId", "client id"), ("tenantId", "tenant"))
        if data.get(name) and data["done"] and any(step.is_change for step in plan)
    ]
    if not any(step.is_change for step in plan):
        ids = ["Nothing to do." if done else "Nothing would change."]
    elif not done:
        ids = ["Nothing was changed: this is what would be done."]
    elif any(step.action is Action.UPDATE and step.changes for step in plan):
        ids.append("Pods that run already keep the old values: restart them.")
    return "\n".join([*lines, "", *ids]).rstrip()
