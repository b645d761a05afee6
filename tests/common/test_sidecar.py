"""The injected containers, compared with the ones that a user writes by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_common import contract, sidecar
from azwi_common.proxy_settings import Settings as ProxySettings
from azwi_common.settings import load
from azwi_common.sidecar import Choices
from azwi_init.settings import Settings as InitSettings

EXAMPLE = Path(__file__).parents[2] / "manifests/examples/by-hand.yaml"
GUID = "00000000-0000-0000-0000-000000000000"


def choices(**changes: Any) -> Choices:
    given = {"proxy_image": "azwi-proxy:latest", "init_image": "azwi-proxy-init:latest"}
    return Choices(**{**given, **changes})


def values(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"]}


@pytest.fixture(scope="module")
def by_hand() -> dict[str, Any]:
    """The spec of the example's pod."""
    spec: dict[str, Any] = list(yaml.safe_load_all(EXAMPLE.read_text()))[1]["spec"]
    return spec


def test_the_containers_are_those_of_the_example_by_hand(by_hand: dict[str, Any]) -> None:
    env = sidecar.identity_env(
        client_id=GUID, tenant_id=GUID, authority_host=contract.DEFAULT_AUTHORITY_HOST
    )
    chosen = choices(proxy_env=env, startup_probe=True)
    init, proxy = by_hand["initContainers"]
    assert sidecar.init_container(chosen) == init
    assert sidecar.proxy_container(chosen) == proxy


def test_the_volume_is_that_of_the_example_by_hand(by_hand: dict[str, Any]) -> None:
    audience = contract.TOKEN_EXCHANGE_AUDIENCE
    assert by_hand["volumes"] == [sidecar.token_volume(audience=audience, expiration=3600)]


@pytest.mark.parametrize("native", [True, False])
def test_the_proxy_is_gated_by_its_own_probe(native: bool) -> None:
    chosen = choices(native=native, startup_probe=not native, port=9000, log_level="debug")
    proxy = sidecar.proxy_container(chosen)
    assert proxy["lifecycle"]["postStart"]["exec"]["command"] == [
        "/proxy",
        "--proxy-port=9000",
        "--probe",
        "--log-level=debug",
    ]
    assert "startupProbe" not in proxy  # it would not hold back an ordinary container's neighbours
    assert proxy.get("restartPolicy") == ("Always" if native else None)


def test_who_forwards_nothing_exempts_nobody() -> None:
    chosen = choices(forward="none")
    init = sidecar.init_container(chosen)
    assert contract.PROXY_UID not in values(init)
    assert load(InitSettings, values(init)).exempt_uid is None
    assert values(sidecar.proxy_container(chosen))[contract.FORWARD] == "none"


def test_raw_sockets_are_for_legacy_iptables_alone() -> None:
    for mode, capabilities in (
        ("auto", ["NET_ADMIN"]),
        ("nft", ["NET_ADMIN"]),
        ("legacy", ["NET_ADMIN", "NET_RAW"]),
    ):
        init = sidecar.init_container(choices(iptables_mode=mode))
        assert init["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": capabilities}
        assert load(InitSettings, values(init)).mode == mode


def test_no_variable_is_ever_empty() -> None:
    assert sidecar.identity_env(client_id="", tenant_id="", authority_host="") == [
        {"name": contract.FEDERATED_TOKEN_FILE, "value": contract.TOKEN_FILE}
    ]


def test_the_programs_understand_what_they_are_told() -> None:
    env = sidecar.identity_env(client_id=GUID, tenant_id=GUID, authority_host="https://l.example/")
    chosen = choices(port=9000, forward="all", log_level="warn", proxy_env=env)
    init, proxy = sidecar.init_container(chosen), sidecar.proxy_container(chosen)
    flags = dict(argument.split("=") for argument in proxy["args"])
    told = load(ProxySettings, values(proxy), flags)
    assert (told.port, told.forward, told.log_level) == (9000, "all", "warn")
    asked = load(InitSettings, values(init))
    assert (asked.proxy_port, asked.forward, asked.log_level) == (9000, "all", "warn")


def test_other_sources_lie_beside_the_token() -> None:
    ca = {"configMap": {"name": "ca"}}
    volume = sidecar.token_volume(audience="a", expiration=7200, beside=[ca])
    token, beside = volume["projected"]["sources"]
    assert token["serviceAccountToken"]["expirationSeconds"] == 7200
    assert beside == ca


def test_who_needs_no_resources_gets_no_such_field() -> None:
    assert "resources" not in sidecar.init_container(choices(init_resources={"limits": {}}))
