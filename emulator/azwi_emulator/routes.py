"""Which path of Graph and ARM is decided where: the table of contents of both. Pure."""

from typing import Final

from azwi_emulator import arm_credentials, arm_groups, arm_identities, arm_roles
from azwi_emulator import graph_credentials as fic
from azwi_emulator import graph_objects as objects
from azwi_emulator import graph_reports as reports
from azwi_emulator.api import Routes, route

_KEY: Final = r"(?:/(?P<id>[^/()]+)|\(appId='(?P<app_id>[^']+)'\))"
_APPLICATIONS: Final = r"/(?:v1\.0|beta)/applications"
_BY_NAME: Final = r"\(uniqueName='(?P<unique_name>(?:[^']|'')+)'\)"
_APPLICATION: Final = f"{_APPLICATIONS}(?:{_KEY}|{_BY_NAME})"
_DELETED: Final = r"/(?:v1\.0|beta)/directory/deletedItems"
_PRINCIPALS: Final = r"/(?:v1\.0|beta)/servicePrincipals"
_PRINCIPAL: Final = _PRINCIPALS + _KEY
_CREDENTIALS: Final = _APPLICATION + "/federatedIdentityCredentials"
_CREDENTIAL: Final = _CREDENTIALS + r"(?:/|\(name=')(?P<credential>[^/()']+)(?:'\))?"
_ACTIVITIES: Final = "/beta/reports/servicePrincipalSignInActivities"

GRAPH: Final[Routes] = (
    route("GET", _APPLICATIONS, objects.list_applications),
    route("POST", _APPLICATIONS, objects.create_application),
    route("GET", _APPLICATION, objects.get_application),
    route("PATCH", _APPLICATIONS + _BY_NAME, objects.upsert_application),
    route("PATCH", _APPLICATION, objects.update_application),
    route("DELETE", _APPLICATION, objects.delete_application),
    route("GET", _DELETED + r"/microsoft\.graph\.application", objects.list_deleted),
    route("DELETE", _DELETED + "/(?P<id>[^/]+)", objects.delete_for_ever),
    route("GET", _PRINCIPALS, objects.list_principals),
    route("POST", _PRINCIPALS, objects.create_principal),
    route("GET", _PRINCIPAL, objects.get_principal),
    route("DELETE", _PRINCIPAL, objects.delete_principal),
    route("GET", _ACTIVITIES, reports.list_activities),
    route("GET", _ACTIVITIES + "/(?P<id>[^/]+)", reports.get_activity),
    route("GET", _CREDENTIALS, fic.list_credentials),
    route("POST", _CREDENTIALS, fic.create_credential),
    route("GET", _CREDENTIAL, fic.get_credential),
    route("PATCH", _CREDENTIAL, fic.update_credential),
    route("DELETE", _CREDENTIAL, fic.delete_credential),
)

_SUBSCRIPTION: Final = r"/subscriptions/(?P<subscription>[^/]+)"
_GROUPS: Final = _SUBSCRIPTION + "/resourceGroups"
_GROUP: Final = _GROUPS + "/(?P<group>[^/]+)"
_TYPE: Final = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
_IDENTITY: Final = _GROUP + _TYPE + "/(?P<identity>[^/]+)"
_FIC: Final = _IDENTITY + "/federatedIdentityCredentials"
_ONE_FIC: Final = _FIC + "/(?P<credential>[^/]+)"
_ROLES: Final = r"(?P<scope>(?:/.+)?)/providers/Microsoft.Authorization/roleDefinitions"
_ASSIGNMENTS: Final = r"(?P<scope>(?:/.+)?)/providers/Microsoft.Authorization/roleAssignments"

ARM: Final[Routes] = (
    route("GET", "/subscriptions", arm_groups.list_subscriptions),
    route("GET", _SUBSCRIPTION, arm_groups.get_subscription),
    route("GET", _GROUPS, arm_groups.list_groups),
    route("GET", _GROUP, arm_groups.get_group),
    route("HEAD", _GROUP, arm_groups.has_group),
    route("PUT", _GROUP, arm_groups.put_group),
    route("GET", _SUBSCRIPTION + _TYPE, arm_identities.list_identities),
    route("GET", _GROUP + _TYPE, arm_identities.list_identities),
    route("GET", _IDENTITY, arm_identities.get_identity),
    route("PUT", _IDENTITY, arm_identities.put_identity),
    route("PATCH", _IDENTITY, arm_identities.update_identity),
    route("DELETE", _IDENTITY, arm_identities.delete_identity),
    route("GET", _FIC, arm_credentials.list_credentials),
    route("GET", _ONE_FIC, arm_credentials.get_credential),
    route("PUT", _ONE_FIC, arm_credentials.put_credential),
    route("DELETE", _ONE_FIC, arm_credentials.delete_credential),
    route("GET", _ROLES, arm_roles.list_definitions),
    route("GET", _ROLES + "/(?P<name>[^/]+)", arm_roles.get_definition),
    route("GET", _ASSIGNMENTS, arm_roles.list_assignments),
    route("GET", _ASSIGNMENTS + "/(?P<name>[^/]+)", arm_roles.get_assignment),
    route("PUT", _ASSIGNMENTS + "/(?P<name>[^/]+)", arm_roles.put_assignment),
    route("DELETE", _ASSIGNMENTS + "/(?P<name>[^/]+)", arm_roles.delete_assignment),
)

SERIAL_WRITES: Final = frozenset(
    {arm_credentials.put_credential, arm_credentials.delete_credential}
)
"""Writes of which an identity bears only one at a time."""
REPORTS: Final = frozenset({reports.list_activities, reports.get_activity})
"""What needs other rights than the rest of Graph."""
