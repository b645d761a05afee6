"""Messages that cannot be held when they are wrong."""

import math
from typing import Any

import pytest

from azwi_emulator import errors, wire
from azwi_emulator.messages import (
    AccessTokenShape,
    ClientRegistration,
    CredentialRegistration,
    Fault,
)

TENANT = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"kind": "refuse", "times": 1}, "until it is cleared"),
        ({"kind": "skew", "seconds": 5, "clientId": "c"}, "until it is cleared"),
        ({"kind": "latency"}, "needs 'seconds'"),
        ({"kind": "trickle", "seconds": -1}, "needs 'seconds'"),
        ({"kind": "latency", "seconds": 4000}, "needs 'seconds'"),
        ({"kind": "aadsts"}, "needs 'code'"),
        ({"kind": "answer", "status": 99}, "'status'"),
        ({"kind": "hang", "times": 0}, "'times'"),
        ({"kind": "hang", "latency": -1}, "'latency'"),
        ({"kind": "hang", "at": []}, "'at'"),
        ({"kind": "answer", "contentType": "a\r\nX: y"}, "'contentType'"),
        ({"kind": "skew", "seconds": math.nan}, "'seconds'"),
        ({"kind": "lag"}, "needs 'seconds'"),
        ({"kind": "lag", "seconds": 1, "times": 1}, "until it is cleared"),
        ({"kind": "concurrent"}, "is for 'at'"),
        ({"kind": "explode"}, "'kind' must be one of"),
    ],
)
def test_a_fault_that_cannot_be_applied_is_refused(body: dict[str, Any], part: str) -> None:
    with pytest.raises(errors.BadMessage, match=part):
        wire.read(Fault, body)


@pytest.mark.parametrize("tenant", [TENANT, "contoso.onmicrosoft.com"])
def test_a_tenant_is_a_guid_or_a_domain_name(tenant: str) -> None:
    assert ClientRegistration(tenant_id=tenant, client_id="c").tenant_id == tenant


@pytest.mark.parametrize("tenant", ["", "common", "a/b", "tenant"])
def test_anything_else_is_no_tenant(tenant: str) -> None:
    with pytest.raises(errors.BadMessage, match="'tenantId'"):
        ClientRegistration(tenant_id=tenant, client_id="c")


@pytest.mark.parametrize("client", ["", "a b", "a\n"])
def test_a_client_id_must_be_able_to_stand_in_a_request(client: str) -> None:
    with pytest.raises(errors.BadMessage, match="'clientId'"):
        CredentialRegistration(tenant_id=TENANT, client_id=client, subject="s")


def test_an_issuer_is_an_https_address() -> None:
    with pytest.raises(errors.BadMessage, match="https"):
        CredentialRegistration(
            tenant_id=TENANT, client_id="c", subject="s", issuer="http://issuer.example"
        )


@pytest.mark.parametrize("shape", [{"lifetimeSeconds": 0}, {"sizeBytes": -1}, {"sizeBytes": 10**6}])
def test_access_tokens_have_a_possible_shape(shape: dict[str, Any]) -> None:
    with pytest.raises(errors.BadMessage):
        wire.read(AccessTokenShape, shape)


def test_a_secret_does_not_show_itself() -> None:
    registration = ClientRegistration(tenant_id=TENANT, client_id="c", secret="hush")
    assert "hush" not in repr(registration)
