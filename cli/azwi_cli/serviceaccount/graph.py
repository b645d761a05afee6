"""Talks to Microsoft Graph: applications, service principals, their credentials and sign-ins."""

import itertools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from azwi_cli import errors
from azwi_cli.serviceaccount import azure, names, refusals
from azwi_cli.serviceaccount.known import Account, Credential, Kind, Target

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

_VERSION: Final = "/v1.0"
_APPLICATIONS: Final = f"{_VERSION}/applications"
_NO_UPSERT: Final = frozenset({400, 404, 405, 501})
"""Statuses of a Graph that knows no upsert, as that of some clouds may not."""
_UPSERT: Final = {"Prefer": "create-if-missing"}
_ACTIVITIES: Final = "/beta/reports/servicePrincipalSignInActivities"  # 1.0 has none
_SECRETS: Final = ("passwordCredentials", "keyCredentials")
_SELECT: Final = ",".join(("id", "appId", "displayName", "createdDateTime", *_SECRETS))


class Graph:
    """Every method raises an error of ours with what Graph says."""

    def __init__(self, url: str, credential: Any, scope: str) -> None:
        self._peer = refusals.graph(url)
        self._rest = azure.Rest(url, credential, scope)

    def by_object_id(self, object_id: str) -> Target | None:
        """The application with this object id; None where there is none."""
        return self._application(f"/applications/{object_id}")

    def by_client_id(self, client_id: str) -> Target | None:
        """The application with this client id; None where there is none."""
        return self._application(f"/applications(appId='{client_id}')")

    def by_name(self, name: str) -> Target | None:
        """The application of a display name; raises BadInput where several have it."""
        query = {"$filter": _is_named(name), "$select": _SELECT}
        with azure.translated(self._peer):
            found = list(self._rest.pages(_APPLICATIONS, query))
        if len(found) > 1:
            listed = ", ".join(f"{app['id']} of {app['createdDateTime']}" for app in found)
            raise errors.BadInput(
                f"{len(found)} applications are named {name}: {listed}.",
                "Say which one with --aad-application-object-id.",
            )
        return self._target(found[0]) if found else None

    def principal_by_name(self, name: str) -> str:
        """Object id of a service principal; raises NotFound, and BadInput where several have it."""
        query = {"$filter": _is_named(name), "$select": "id"}
        with azure.translated(self._peer):
            found = list(self._rest.pages(f"{_VERSION}/servicePrincipals", query))
        if len(found) > 1:
            listed = ", ".join(one["id"] for one in found)
            raise errors.BadInput(
                f"{len(found)} service principals are named {name}: {listed}.",
                "Say which one with --service-principal-object-id.",
            )
        if not found:
            raise errors.NotFound(
                f"No service principal is named {name}.",
                "azwi sa create phase aad-application makes one.",
            )
        return str(found[0]["id"])

    def last_used(self, client_ids: Collection[str]) -> dict[str, str]:
        """When each last got a token, where the report has it; raises Denied without its rights.

        By client id in lower case. The report is read as a whole: it takes five requests in ten
        seconds, so asking for each would be slower from the sixth on.
        """
        wanted, found = {one.lower() for one in client_ids}, {}
        with azure.translated(refusals.reports(self._peer.url)):
            for activity in self._rest.pages(_ACTIVITIES, {"$top": "999"}):
                client_id = str(activity["appId"]).lower()
                if client_id in wanted:
                    found[client_id] = _when(activity)
                if len(found) == len(wanted):
                    break
        return {client_id: when for client_id, when in found.items() if when}

    def managed_identity(self, client_id: str) -> str:
        """ARM's resource id of the managed identity with this client id; empty: there is none."""
        principal = self._found(f"/servicePrincipals(appId='{client_id}')")
        for name in (principal or {}).get("alternativeNames", ()):
            if name.startswith("/subscriptions/"):
                return str(name)
        return ""

    def has_principal(self, client_id: str) -> bool:
        """Whether the tenant has a service principal of this client id."""
        return self._found(f"/servicePrincipals(appId='{client_id}')") is not None

    def create(self, name: str) -> Target:
        """A new application, in this tenant alone; or that which an interrupted run made.

        Lists may not show that one yet, but its unique name is known at once. Where a deleted
        application keeps the unique name (for 30 days), or one that was renamed, the next is tried.
        """
        with azure.translated(self._peer):
            deleted: frozenset[str] = frozenset()
            for unique in (names.unique(name, number) for number in itertools.count(1)):
                if unique in deleted:
                    continue
                made = self._upserted(unique, name)
                if made and str(made["displayName"]).casefold() == name.casefold():
                    return _written(made, "")
                deleted = deleted if made else self._deleted(name)
                if not made and unique not in deleted:  # nobody may say whose it is
                    break
        return self.by_name(name) or self._without_unique_name(name)

    def _upserted(self, unique: str, name: str) -> dict[str, Any] | None:
        """The application of a unique name, made where there was none.

        None: it belongs to one that cannot be seen, which is deleted unless ``_deleted`` lacks it.
        """
        from azure.core.exceptions import HttpResponseError

        path = f"{_APPLICATIONS}(uniqueName='{unique}')"
        try:
            made = self._named_uniquely(path) or azure.again_while(
                lambda: self._rest.ask("PATCH", path, _body(name), headers=_UPSERT),
                lambda error: _is_taken(error) and unique not in self._deleted(name),
            )
        except HttpResponseError as error:
            if _is_taken(error):
                return None
            if error.status_code not in _NO_UPSERT:
                raise
            return self._rest.ask("POST", _APPLICATIONS, _body(name))
        return made or azure.again_while(lambda: self._rest.ask("GET", path), _is_not_replicated)

    def _named_uniquely(self, path: str) -> dict[str, Any] | None:
        from azure.core.exceptions import HttpResponseError

        try:
            return self._rest.ask("GET", path)
        except HttpResponseError as error:
            if error.status_code not in _NO_UPSERT:
                raise
        return None

    def _without_unique_name(self, name: str) -> Target:
        with azure.translated(self._peer):
            return _written(self._rest.ask("POST", _APPLICATIONS, _body(name)), "")

    def _deleted(self, name: str) -> frozenset[str]:
        """Unique names of deleted applications of a display name, as far as one may see them."""
        from azure.core.exceptions import HttpResponseError

        path = f"{_VERSION}/directory/deletedItems/microsoft.graph.application"
        query = {"$filter": _is_named(name), "$select": "id,uniqueName"}
        try:
            return frozenset(str(app.get("uniqueName")) for app in self._rest.pages(path, query))
        except HttpResponseError as error:
            if error.status_code not in (400, 403):  # a filter that is not understood, no rights
                raise
        return frozenset()

    def create_principal(self, client_id: str) -> str:
        """The service principal of an application, made or there already; its object id."""
        path, body = f"{_VERSION}/servicePrincipals", {"appId": client_id}
        with azure.translated(self._peer):
            from azure.core.exceptions import HttpResponseError

            try:
                made = azure.again_while(
                    lambda: self._rest.ask("POST", path, body), _is_without_application
                )
            except HttpResponseError as error:
                if error.status_code != 409:
                    raise
                named = f"{path}(appId='{client_id}')"  # an earlier run made it, perhaps just now
                made = azure.again_while(lambda: self._rest.ask("GET", named), _is_not_replicated)
        return str(made["id"])

    def delete(self, target: Target) -> None:
        """Delete an application; its service principal goes with it."""
        self._gone(f"/applications/{target.id}")

    def credentials(self, target: Target) -> tuple[Credential, ...]:
        """Of an application."""
        path = f"{_VERSION}/applications/{target.id}/federatedIdentityCredentials"
        with azure.translated(self._peer):
            return tuple(_credential(one) for one in self._rest.pages(path))

    def create_credential(self, target: Target, new: Credential, account: Account) -> None:
        """Add a credential to an application, which may be so new that not everybody knows it.

        One of that name that no list showed yet gets these values: an earlier run made it.
        """
        from azure.core.exceptions import HttpResponseError

        path = f"{_VERSION}/applications/{target.id}/federatedIdentityCredentials"
        body = {
            "name": new.name,
            **_values(new),
            "description": names.description(account.namespace, account.name),
        }
        with azure.translated(self._peer):
            try:
                azure.again_while(lambda: self._rest.ask("POST", path, body), _is_not_replicated)
            except HttpResponseError as error:
                if error.status_code != 409:
                    raise
                named = f"{path}/{quote(new.name)}"
                azure.again_while(
                    lambda: self._rest.ask("PATCH", named, _values(new)), _is_not_replicated
                )

    def update_credential(self, target: Target, changed: Credential) -> None:
        """Give a credential other values."""
        path = f"{_VERSION}/applications/{target.id}/federatedIdentityCredentials/{changed.id}"
        with azure.translated(self._peer):
            self._rest.ask("PATCH", path, _values(changed))

    def delete_credential(self, target: Target, old: Credential) -> None:
        """Remove a credential."""
        self._gone(f"/applications/{target.id}/federatedIdentityCredentials/{old.id}")

    def _application(self, path: str) -> Target | None:
        found = self._found(path)
        return self._target(found) if found else None

    def _target(self, app: dict[str, Any]) -> Target:
        principal = self._found(f"/servicePrincipals(appId='{app['appId']}')")
        return _written(app, str(principal["id"]) if principal else "")

    def _found(self, path: str) -> dict[str, Any] | None:
        from azure.core.exceptions import HttpResponseError

        with azure.translated(self._peer):
            try:
                return self._rest.ask("GET", _VERSION + path)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
        return None

    def _gone(self, path: str) -> None:
        """DELETE; what is gone already is as good."""
        from azure.core.exceptions import HttpResponseError

        with azure.translated(self._peer):
            try:
                self._rest.ask("DELETE", _VERSION + path)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise


def _is_without_application(error: "HttpResponseError") -> bool:
    return "NoBackingApplicationObject" in azure.details_of(error)


def _is_not_replicated(error: "HttpResponseError") -> bool:
    return error.status_code == 404


def _when(activity: Mapping[str, Any]) -> str:
    # As a client of its own right: nobody signs in through a workload identity.
    seen = activity.get("applicationAuthenticationClientSignInActivity") or {}
    return str(seen.get("lastSignInDateTime") or "")


def _is_taken(error: "HttpResponseError") -> bool:
    """Whether another application has the unique name: a 400 without a code of its own."""
    says = getattr(error.error, "message", None) or ""
    return error.status_code in (400, 409) and "uniqueName" in says


def _body(name: str) -> dict[str, str]:
    return {"displayName": name, "signInAudience": "AzureADMyOrg"}


def _is_named(name: str) -> str:
    quoted = name.replace("'", "''")
    return f"displayName eq '{quoted}'"


def _written(app: dict[str, Any], principal_id: str) -> Target:
    return Target(
        kind=Kind.APPLICATION,
        id=str(app["id"]),
        name=str(app["displayName"]),
        client_id=str(app["appId"]),
        principal_id=principal_id,
        has_secrets=any(app.get(name) for name in _SECRETS),
    )


def _credential(one: dict[str, Any]) -> Credential:
    return Credential(
        name=str(one["name"]),
        id=str(one["id"]),
        issuer=str(one.get("issuer") or ""),
        subject=str(one.get("subject") or ""),  # a flexible credential has an expression instead
        audience=str((one.get("audiences") or [""])[0]),
    )


def _values(credential: Credential) -> dict[str, Any]:
    return {
        "issuer": credential.issuer,
        "subject": credential.subject,
        "audiences": [credential.audience],
    }
