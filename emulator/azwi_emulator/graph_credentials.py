"""Microsoft Graph's federated identity credentials of applications. Pure.

Sources: learn.microsoft.com/graph/api/resources/federatedidentitycredential; the codes are those
of public issue threads, but for the limit, whose code is a guess.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from azwi_emulator import graph, graph_objects
from azwi_emulator.api import Call, Problem, Reply
from azwi_emulator.cloud import Application, Cloud, FederatedCredential
from azwi_emulator.directory import CREDENTIALS_PER_CLIENT

LONGEST_NAME: Final = 120
LONGEST_VALUE: Final = 600
"""Characters of issuer, subject, audience and description."""

_NAME: Final = re.compile(r"[\w.~=-]{1,120}", re.ASCII)
"""May stand in a URL; the equals sign of base64 too: names that azwi derives end with one."""

_SEGMENT: Final = "applications('{}')/federatedIdentityCredentials"


def list_credentials(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET /applications/{id}/federatedIdentityCredentials."""
    app = graph_objects.application(cloud, call, at)
    return graph.collection(
        call, _SEGMENT.format(app.id), [_written(known) for known in _seen(cloud, call, app)]
    )


def create_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """POST /applications/{id}/federatedIdentityCredentials."""
    app = graph_objects.application(cloud, call, at)
    made = FederatedCredential(
        id=call.new_id(),
        owner=app.id,
        tenant_id=app.tenant_id,
        client_id=app.app_id,
        name=_name(call),
        issuer=_value(call, "issuer"),
        subject=_value(call, "subject"),
        audience=_audience(call),
        description=_description(call),
    )
    if any(known.name.lower() == made.name.lower() for known in cloud.credentials_of(app.id)):
        raise graph.duplicate(f"A federated identity credential named {made.name!r} exists.")
    if cloud.directory.is_full(made.tenant_id, made.client_id):
        raise graph.bad_request(
            f"The application has {CREDENTIALS_PER_CLIENT} federated identity credentials, as many"
            " as it may have."
        )
    _write(cloud, call, made)
    return graph.entity(call, _SEGMENT.format(app.id), _written(made), 201)


def get_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET /applications/{id}/federatedIdentityCredentials/{id or name}."""
    app = graph_objects.application(cloud, call, at)
    return graph.entity(call, _SEGMENT.format(app.id), _written(_found(cloud, call, app, at)))


def update_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PATCH …/federatedIdentityCredentials/{id or name}; a name cannot be changed."""
    app = graph_objects.application(cloud, call, at)
    known, body = _true(cloud, call, app, at), call.object()
    if body.get("name", known.name) != known.name:
        raise graph.bad_request("The property 'name' cannot be changed.")
    changes: dict[str, Any] = {
        name: _value(call, name) for name in ("issuer", "subject") if name in body
    }
    if "audiences" in body:
        changes["audience"] = _audience(call)
    if "description" in body:
        changes["description"] = _description(call)
    _write(cloud, call, dataclasses.replace(known, **changes))
    return Reply(204)


def delete_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE …/federatedIdentityCredentials/{id or name}."""
    app = graph_objects.application(cloud, call, at)
    known = _true(cloud, call, app, at)
    cloud.remove_credential(known, now=call.now, lag=call.lag)
    return Reply(204)


def _write(cloud: Cloud, call: Call, credential: FederatedCredential) -> None:
    for other in cloud.credentials_of(credential.owner):
        same = (other.issuer, other.subject) == (credential.issuer, credential.subject)
        if same and other.id != credential.id:
            raise _wrong_value(
                f"The credential {other.name!r} of this application has the issuer"
                f" {other.issuer} and the subject {other.subject} already."
            )
    cloud.put_credential(credential, now=call.now, lag=call.lag)


def _seen(cloud: Cloud, call: Call, app: Application) -> list[FederatedCredential]:
    return [known for known in cloud.credentials.all_seen(call.now) if known.owner == app.id]


def _found(
    cloud: Cloud, call: Call, app: Application, at: Mapping[str, str]
) -> FederatedCredential:
    wanted = at["credential"].lower()
    for known in _seen(cloud, call, app):
        if wanted in (known.id, known.name.lower()):
            return known
    raise graph.not_found(at["credential"])


def _true(cloud: Cloud, call: Call, app: Application, at: Mapping[str, str]) -> FederatedCredential:
    """What a reader sees, as it truly is: it may have been written or deleted since."""
    known = cloud.credentials.get(_found(cloud, call, app, at).key)
    if known is None:
        raise graph.not_found(at["credential"])
    return known


def _written(known: FederatedCredential) -> dict[str, Any]:
    return {
        "id": known.id,
        "name": known.name,
        "issuer": known.issuer,
        "subject": known.subject,
        "description": known.description,
        "audiences": [known.audience],
    }


def _name(call: Call) -> str:
    name = graph.required(call, "name")
    if not _NAME.fullmatch(name):
        raise _wrong_value(
            f"'name' must have 1 to {LONGEST_NAME} characters that may stand in a URL."
        )
    return name


def _value(call: Call, name: str) -> str:
    value = graph.required(call, name)
    if len(value) > LONGEST_VALUE:
        raise _wrong_value(f"{name!r} must have {LONGEST_VALUE} characters at most.")
    if name == "issuer" and not value.startswith("https://"):
        raise _wrong_value("'issuer' must be an https URL.")
    return value


def _audience(call: Call) -> str:
    audiences = call.object().get("audiences")
    if not isinstance(audiences, list) or len(audiences) != 1:
        raise _wrong_value("'audiences' must hold exactly one audience.")
    audience = audiences[0]
    if not isinstance(audience, str) or not 0 < len(audience) <= LONGEST_VALUE:
        raise _wrong_value(f"An audience must be a string of 1 to {LONGEST_VALUE} characters.")
    return audience


def _description(call: Call) -> str | None:
    value = call.object().get("description")
    if value is not None and not (isinstance(value, str) and len(value) <= LONGEST_VALUE):
        raise _wrong_value(f"'description' must be a string of {LONGEST_VALUE} characters at most.")
    return value


def _wrong_value(sentence: str) -> Problem:
    return graph.bad_request(sentence, "InvalidFederatedIdentityCredentialValue")
