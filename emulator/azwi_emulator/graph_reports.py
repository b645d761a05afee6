"""Microsoft Graph's report of when clients were last used: beta only. Pure.

Source: learn.microsoft.com/graph/api/resources/serviceprincipalsigninactivity. Entra ID fills it
some hours late; here a client is in it as soon as it has got a token.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from azwi_emulator import graph
from azwi_emulator.api import Call, Reply
from azwi_emulator.cloud import Cloud, SignIn

SEGMENT: Final = "reports/servicePrincipalSignInActivities"


def list_activities(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """GET /reports/servicePrincipalSignInActivities."""
    return graph.collection(call, SEGMENT, _of_tenant(cloud, call))


def get_activity(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET /reports/servicePrincipalSignInActivities/{id}."""
    for activity in _of_tenant(cloud, call):
        if activity["id"] == at["id"]:
            return graph.entity(call, SEGMENT, activity)
    raise graph.not_found(at["id"])


def _of_tenant(cloud: Cloud, call: Call) -> list[dict[str, Any]]:
    return [
        _activity(app_id, last)
        for (tenant_id, app_id), last in cloud.sign_ins.items()
        if tenant_id == call.tenant_id.lower()
    ]


def _activity(app_id: str, last: SignIn) -> dict[str, Any]:
    seen = {
        "lastSignInDateTime": graph.moment(last.time),
        "lastSignInRequestId": last.request_id,
    }
    return {
        "id": base64.b64encode(app_id.encode()).decode(),
        "appId": app_id,
        "lastSignInActivity": seen,
        "applicationAuthenticationClientSignInActivity": seen,
        "applicationAuthenticationResourceSignInActivity": None,
        "delegatedClientSignInActivity": None,
        "delegatedResourceSignInActivity": None,
    }
