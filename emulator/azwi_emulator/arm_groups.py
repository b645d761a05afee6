"""ARM's subscriptions and resource groups, as far as identities need them. Pure.

Sources: learn.microsoft.com/rest/api/resources/subscriptions and …/resource-groups.
"""

from collections.abc import Mapping
from typing import Any

from azwi_emulator import arm
from azwi_emulator.api import Call, Reply
from azwi_emulator.cloud import Cloud, Group, Subscription, group_key


def list_subscriptions(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """GET /subscriptions: those of the token's tenant."""
    mine = [
        _subscription(known)
        for known in cloud.subscriptions.values()
        if known.tenant_id.lower() == call.tenant_id.lower()
    ]
    return arm.listed(call, mine)


def get_subscription(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET /subscriptions/{id}."""
    return Reply(200, _subscription(arm.subscription(cloud, call, at)))


def list_groups(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/resourceGroups."""
    subscription = arm.subscription(cloud, call, at)
    groups = cloud.groups.all_seen(call.now)
    return arm.listed(
        call, [_group(one) for one in groups if one.subscription_id == subscription.id]
    )


def get_group(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/resourceGroups/{name}."""
    return Reply(200, _group(arm.group(cloud, call, at)))


def has_group(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """HEAD …/resourceGroups/{name}."""
    subscription = arm.subscription(cloud, call, at)
    return Reply(204 if cloud.groups.get(group_key(subscription.id, at["group"])) else 404)


def put_group(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PUT …/resourceGroups/{name}."""
    subscription = arm.subscription(cloud, call, at)
    known = cloud.groups.get(group_key(subscription.id, at["group"]))
    location = arm.text(call.object(), "location", code="LocationRequired")
    made = Group(
        subscription_id=subscription.id,
        name=known.name if known else at["group"],
        location=known.location if known else location,
        tags=arm.tags(call),
    )
    cloud.groups.put(made.key, made, now=call.now, lag=call.lag)
    return Reply(200 if known else 201, _group(made))


def _subscription(known: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{known.id}",
        "subscriptionId": known.id,
        "tenantId": known.tenant_id,
        "displayName": known.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def _group(known: Group) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{known.subscription_id}/resourceGroups/{known.name}",
        "name": known.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": known.location,
        "tags": dict(known.tags),
        "properties": {"provisioningState": "Succeeded"},
    }
