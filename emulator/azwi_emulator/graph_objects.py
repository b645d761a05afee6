"""Microsoft Graph's applications and service principals: what is written and answered. Pure.

Sources: learn.microsoft.com/graph/api/resources/application and …/serviceprincipal. Of the many
properties only those are computed that a client of workload identity reads.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from azwi_emulator import graph
from azwi_emulator.api import Call, Problem, Reply
from azwi_emulator.cloud import Application, Cloud, Principal
from azwi_emulator.directory import principal_id

APPLICATIONS: Final = "applications"
PRINCIPALS: Final = "servicePrincipals"
LONGEST_NAME: Final = 256

_READ_ONLY: Final = frozenset({"id", "appId", "createdDateTime", "deletedDateTime", "displayName"})


# --- Applications ---------------------------------------------------------------------------------


def list_applications(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """GET /applications."""
    mine = (app for app in cloud.applications.all_seen(call.now) if app.tenant_id == call.tenant_id)
    return graph.collection(call, APPLICATIONS, [_application(app) for app in mine])


def create_application(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """POST /applications; two may have the same display name, as in the real Graph."""
    return _created(cloud, call, _more(call))


def upsert_application(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PATCH /applications(uniqueName='…'): this key names what is true, replicated or not."""
    name = _unquoted(at["unique_name"])
    app = cloud.named_uniquely(call.tenant_id, name)
    if app is not None and not app.deleted_on:
        return _changed(cloud, call, app)
    if "create-if-missing" not in {part.strip() for part in call.prefer.split(",")}:
        raise graph.not_found(name)
    return _created(cloud, call, {**_more(call), "uniqueName": name})


def get_application(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET /applications/{id}, or (appId='…')."""
    return graph.entity(call, APPLICATIONS, _application(application(cloud, call, at)))


def update_application(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PATCH /applications/{id}."""
    return _changed(cloud, call, _true(cloud, application(cloud, call, at)))


def delete_application(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE /applications/{id}: its credentials and its service principal go with it."""
    app = _true(cloud, application(cloud, call, at))
    cloud.remove_application(app, now=call.now, lag=call.lag)
    return Reply(204)


def application(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Application:
    """The application that a path names, as a reader sees it; raises Problem 404."""
    for app in cloud.applications.all_seen(call.now):
        if app.tenant_id == call.tenant_id and _named(at, app.id, app.app_id, app.unique_name):
            return app
    raise graph.not_found(at["id"] or at["app_id"] or at["unique_name"])


def _true(cloud: Cloud, seen: Application) -> Application:
    """What a reader sees, as it truly is: it may have been written or deleted since."""
    app = cloud.applications.get(seen.id)
    if app is None:
        raise graph.not_found(seen.id)
    return app


def list_deleted(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """GET /directory/deletedItems/microsoft.graph.application."""
    mine = (app for app in cloud.deleted.all_seen(call.now) if app.tenant_id == call.tenant_id)
    return graph.collection(call, APPLICATIONS, [_application(app) for app in mine])


def delete_for_ever(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE /directory/deletedItems/{id}: its unique name is free then."""
    app = cloud.deleted.seen(at["id"].lower(), call.now)
    if app is None or app.tenant_id != call.tenant_id:
        raise graph.not_found(at["id"])
    cloud.deleted.remove(app.id, now=call.now, lag=call.lag)
    return Reply(204)


def _created(cloud: Cloud, call: Call, more: dict[str, Any]) -> Reply:
    app = Application(
        id=call.new_id(),
        tenant_id=call.tenant_id,
        app_id=call.new_id(),
        display_name=_display_name(call),
        created=graph.moment(call.now),
        more=more,
    )
    _check_unique(cloud, app)
    cloud.put_application(app, now=call.now, lag=call.lag)
    return graph.entity(call, APPLICATIONS, _application(app), 201)


def _changed(cloud: Cloud, call: Call, app: Application) -> Reply:
    name = _display_name(call) if "displayName" in call.object() else app.display_name
    changed = dataclasses.replace(app, display_name=name, more={**app.more, **_more(call)})
    if app.unique_name not in ("", changed.unique_name):
        raise graph.bad_request("The property 'uniqueName' cannot be changed once it is set.")
    _check_unique(cloud, changed)
    cloud.put_application(changed, now=call.now, lag=call.lag)
    return Reply(204)


def _check_unique(cloud: Cloud, app: Application) -> None:
    """Raise Problem where another application has its unique name, be it deleted.

    Source: github.com/microsoftgraph/msgraph-bicep-types, issue 137: status, code and sentence.
    """
    holder = cloud.named_uniquely(app.tenant_id, app.unique_name) if app.unique_name else None
    if holder is not None and holder.id != app.id:
        raise graph.bad_request(
            "Another object with the same value for property uniqueName already exists."
        )


def _application(app: Application) -> dict[str, Any]:
    computed = {
        "id": app.id,
        "deletedDateTime": graph.moment(app.deleted_on) if app.deleted_on else None,
        "appId": app.app_id,
        "createdDateTime": app.created,
        "displayName": app.display_name,
    }
    usual: dict[str, Any] = {
        "description": None,
        "identifierUris": [],
        "keyCredentials": [],
        "passwordCredentials": [],
        "signInAudience": "AzureADMyOrg",
        "tags": [],
        "uniqueName": None,
    }
    return {**usual, **app.more, **computed}


# --- Service principals ---------------------------------------------------------------------------


def list_principals(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """GET /servicePrincipals; those of managed identities too."""
    mine = (one for one in cloud.principals.all_seen(call.now) if one.tenant_id == call.tenant_id)
    return graph.collection(call, PRINCIPALS, [_principal(one) for one in mine])


def create_principal(cloud: Cloud, call: Call, _: Mapping[str, str]) -> Reply:
    """POST /servicePrincipals, for an application that has replicated."""
    app_id = graph.required(call, "appId")
    app = next(
        (
            app
            for app in cloud.applications.all_seen(call.now)
            if app.tenant_id == call.tenant_id and app.app_id == app_id.lower()
        ),
        None,
    )
    if app is None:
        raise _no_application(app_id)
    made = Principal(
        id=principal_id(call.tenant_id, app.app_id),
        tenant_id=call.tenant_id,
        app_id=app.app_id,
        display_name=app.display_name,
        created=graph.moment(call.now),
    )
    if cloud.principals.get(made.id) is not None:
        raise graph.duplicate(f"The application {app_id} has its service principal already.")
    cloud.put_principal(made, now=call.now, lag=call.lag)
    return graph.entity(call, PRINCIPALS, _principal(made), 201)


def get_principal(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET /servicePrincipals/{id}, or (appId='…')."""
    return graph.entity(call, PRINCIPALS, _principal(_found(cloud, call, at)))


def delete_principal(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE /servicePrincipals/{id}; those of managed identities are ARM's to delete."""
    principal = _found(cloud, call, at)
    if principal.kind != "Application":
        raise Problem(
            403,
            "Authorization_RequestDenied",
            "The service principal of a managed identity goes when the identity is deleted.",
        )
    if cloud.principals.get(principal.id) is None:  # deleted, but still seen
        raise graph.not_found(principal.id)
    cloud.remove_principal(principal, now=call.now, lag=call.lag)
    return Reply(204)


def _found(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Principal:
    for principal in cloud.principals.all_seen(call.now):
        if principal.tenant_id == call.tenant_id and _named(at, principal.id, principal.app_id):
            return principal
    raise graph.not_found(at["id"] or at["app_id"])


def _no_application(app_id: str) -> Problem:
    sentence = f"The appId {app_id!r} names no application that is known here (yet)."
    return graph.bad_request(
        sentence,
        details=[{"code": "NoBackingApplicationObject", "message": sentence, "target": "appId"}],
    )


def _principal(principal: Principal) -> dict[str, Any]:
    names = [principal.app_id]
    return {
        "id": principal.id,
        "deletedDateTime": None,
        "accountEnabled": True,
        "alternativeNames": list(principal.alternative_names),
        "appDisplayName": principal.display_name if principal.kind == "Application" else None,
        "appId": principal.app_id,
        "appOwnerOrganizationId": principal.tenant_id,
        "createdDateTime": principal.created or None,
        "displayName": principal.display_name,
        "servicePrincipalNames": names,
        "servicePrincipalType": principal.kind,
        "tags": [],
    }


# --- Both -----------------------------------------------------------------------------------------


def _named(at: Mapping[str, str], object_id: str, app_id: str, unique_name: str = "") -> bool:
    if wanted := at.get("unique_name"):
        return unique_name.lower() == _unquoted(wanted).lower()
    return object_id == at["id"].lower() if at["id"] else app_id == at["app_id"].lower()


def _unquoted(text: str) -> str:
    return text.replace("''", "'")


def _display_name(call: Call) -> str:
    name = graph.required(call, "displayName")
    if len(name) > LONGEST_NAME:
        raise graph.bad_request(f"'displayName' must have {LONGEST_NAME} characters at most.")
    return name


def _more(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.object().items() if name not in _READ_ONLY}
