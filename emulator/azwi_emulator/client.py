"""A small client of the control endpoint, for tests and demos in any process.

control = Control(json.loads(line_of_azwi_emulator)["controlUrl"])
control.register(tenant, client, subject="system:serviceaccount:default:app")
control.fault(Fault(kind="throttle", times=2))
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from azwi_emulator import errors, wire
from azwi_emulator.messages import (
    AccessTokenShape,
    Announcement,
    ApiCall,
    ClientRegistration,
    CredentialRegistration,
    Exchange,
    ExternalIssuer,
    Fault,
    Rotation,
    ServiceAccountTokenRequest,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TIMEOUT = 10  # seconds; every call is answered at once


class Control:
    """Steers a running emulator; every method raises ControlError with the emulator's sentence."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # Proxies of the environment are for other hosts than this one.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def announcement(self) -> Announcement:
        """Where everything is."""
        return wire.read(Announcement, self._call("GET", "/"))

    def register_client(self, registration: ClientRegistration) -> None:
        """Register a client, or replace it."""
        self._call("PUT", "/clients", registration)

    def delete_client(self, tenant_id: str, client_id: str) -> None:
        """Forget a client and its credentials."""
        self._call("DELETE", f"/clients/{_quoted(tenant_id)}/{_quoted(client_id)}")

    def register(
        self,
        tenant_id: str,
        client_id: str,
        *,
        subject: str,
        issuer: str | None = None,
        audience: str = CredentialRegistration.audience,
        delay_seconds: float = 0.0,
    ) -> str:
        """Register a federated credential, and its client if that is unknown; answers its id."""
        registration = CredentialRegistration(
            tenant_id=tenant_id,
            client_id=client_id,
            subject=subject,
            issuer=issuer,
            audience=audience,
            delay_seconds=delay_seconds,
        )
        return str(self._call("POST", "/credentials", registration)["id"])

    def delete_credential(self, credential_id: str) -> None:
        """Forget a federated credential."""
        self._call("DELETE", f"/credentials/{_quoted(credential_id)}")

    def register_issuer(self, issuer: str, jwks: dict[str, Any]) -> None:
        """Hand in the keys of an issuer that the emulator cannot reach."""
        self._call("PUT", "/issuers", ExternalIssuer(issuer=issuer, jwks=jwks))

    def service_account_token(self, request: ServiceAccountTokenRequest) -> str:
        """A token signed by the emulator's own issuer."""
        return str(self._call("POST", "/service-account-tokens", request)["token"])

    def rotate_issuer_keys(self, *, keep_old: bool = True) -> list[str]:
        """Change the issuer's signing key; answers the published kids, newest first."""
        return list(self._call("POST", "/issuer/rotate", Rotation(keep_old=keep_old))["kids"])

    def shape_access_tokens(self, shape: AccessTokenShape) -> None:
        """Change lifetime and size of access tokens."""
        self._call("PUT", "/access-tokens", shape)

    def fault(self, fault: Fault, *, name: str = "") -> None:
        """Set a fault; its name is its kind where none is given."""
        self._call("PUT", f"/faults/{_quoted(name or fault.kind)}", fault)

    def clear_fault(self, name: str) -> None:
        """Heal one fault."""
        self._call("DELETE", f"/faults/{_quoted(name)}")

    def clear_faults(self) -> None:
        """Heal every fault."""
        self._call("DELETE", "/faults")

    def exchanges(self, client_id: str | None = None) -> list[Exchange]:
        """The token requests seen since the start or the last reset, oldest first."""
        query = f"?clientId={_quoted(client_id)}" if client_id else ""
        listed = self._call("GET", f"/exchanges{query}")["exchanges"]
        return [wire.read(Exchange, item) for item in listed]

    def calls(self, api: str | None = None) -> list[ApiCall]:
        """The requests to Graph and ARM (or one, ``graph`` or ``arm``), oldest first."""
        query = f"?api={_quoted(api)}" if api else ""
        return [wire.read(ApiCall, item) for item in self._call("GET", f"/calls{query}")["calls"]]

    def reset(self) -> None:
        """Back to how the emulator started."""
        self._call("POST", "/reset")

    def _call(
        self, method: str, path: str, message: "DataclassInstance | None" = None
    ) -> dict[str, Any]:
        body = json.dumps(wire.write(message)).encode() if message is not None else None
        request = urllib.request.Request(
            self._url + path,
            data=body,
            method=method,
            headers={"Content-Type": "application/json"} if body else {},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                answer: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise errors.ControlError(_sentence(error)) from error
        except (OSError, ValueError) as error:
            raise errors.ControlError(
                f"The control endpoint at {self._url} does not answer: {error}."
            ) from error
        return answer


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"The control endpoint answered {error.code}."
