"""The redirect beside a service mesh that catches all TCP, as Istio does, on port 15001."""

from typing import Any

import pytest

pytestmark = pytest.mark.netns

Pod = Any  # conftest's class: tests cannot import it
BACKENDS = ["nft", "legacy"]
MESH_UID = 1337
MESH = f"""*nat
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -m owner --uid-owner {MESH_UID} -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
"""


NATIVE_MESH = f"""table inet mesh {{
 chain output {{
  type nat hook output priority -100; policy accept;
  meta l4proto tcp meta skuid != {MESH_UID} ip daddr != 127.0.0.1 redirect to :15001
 }}
}}
"""


def install_mesh(pod: Pod, backend: str) -> None:
    pod.do(f"iptables-{backend}-restore", "--noflush", given=MESH)


def mesh_rules(pod: Pod, backend: str) -> list[str]:
    saved = pod.do(f"iptables-{backend}-save", "-t", "nat").splitlines()
    return [line for line in saved if line.startswith("-A") and "AZWI" not in line]


def serve_everybody(pod: Pod) -> None:
    pod.serve(
        "169.254.169.254:80:imds",
        "127.0.0.1:8000:azwi-proxy",
        "127.0.0.1:15001:mesh",
        "203.0.113.7:80:internet",
    )


@pytest.mark.parametrize("mesh", BACKENDS)
@pytest.mark.parametrize(
    ("mode", "order"), [("nft", "before"), ("nft", "after"), ("legacy", "before")]
)
def test_metadata_requests_reach_the_proxy_and_all_else_the_mesh(
    pod: Pod, mode: str, mesh: str, order: str
) -> None:
    if order == "before":
        install_mesh(pod, mesh)
    assert pod.init(AZWI_IPTABLES_MODE=mode).code == 0
    if order == "after":
        install_mesh(pod, mesh)
    serve_everybody(pod)

    assert pod.ask() == "azwi-proxy"
    assert pod.ask(uid=MESH_UID) == "azwi-proxy"
    assert pod.ask(uid=1501) == "imds"
    assert pod.ask("203.0.113.7") == "mesh"
    assert pod.ask("203.0.113.7", uid=1501) == "mesh"
    assert pod.ask("203.0.113.7", uid=MESH_UID) == "internet"


@pytest.mark.parametrize(
    ("mode", "order"), [("nft", "before"), ("nft", "after"), ("legacy", "before")]
)
def test_metadata_requests_reach_the_proxy_beside_a_mesh_of_native_nft_rules(
    pod: Pod, mode: str, order: str
) -> None:
    if order == "before":
        pod.do("nft", "-f", "-", given=NATIVE_MESH)
    assert pod.init(AZWI_IPTABLES_MODE=mode).code == 0
    if order == "after":
        pod.do("nft", "-f", "-", given=NATIVE_MESH)
    serve_everybody(pod)

    assert [pod.ask(), pod.ask(uid=MESH_UID), pod.ask(uid=1501)] == [
        *("azwi-proxy", "azwi-proxy", "imds")
    ]
    assert [pod.ask("203.0.113.7"), pod.ask("203.0.113.7", uid=MESH_UID)] == ["mesh", "internet"]


def test_legacy_rules_win_over_a_legacy_mesh_that_appends_its_own_later(pod: Pod) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="legacy").code == 0
    install_mesh(pod, "legacy")
    serve_everybody(pod)

    assert [pod.ask(), pod.ask(uid=1501)] == ["azwi-proxy", "imds"]
    assert pod.ask("203.0.113.7") == "mesh"


def test_the_limit_of_legacy_rules_is_an_nft_mesh_that_comes_later(pod: Pod) -> None:
    # Known limit (docs/limits.md): at equal priority the chain registered last is asked first.
    assert pod.init(AZWI_IPTABLES_MODE="legacy").code == 0
    install_mesh(pod, "nft")
    serve_everybody(pod)

    again = pod.init(AZWI_IPTABLES_MODE="legacy", PROXY_PORT="8100")

    assert pod.ask() == "mesh"
    assert again.code == 1
    assert "table ip nat, chain OUTPUT, priority -100, decides before our rules" in again.sentence


def test_the_limit_of_legacy_rules_is_a_jump_put_before_ours_until_the_next_run(pod: Pod) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="legacy").code == 0
    given = "*nat\n-I OUTPUT -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n"
    pod.do("iptables-legacy-restore", "--noflush", given=given)
    serve_everybody(pod)
    lost = pod.ask()

    again = pod.init(AZWI_IPTABLES_MODE="legacy")

    assert (lost, again.code, pod.ask()) == ("mesh", 0, "azwi-proxy")


@pytest.mark.parametrize("mesh", BACKENDS)
@pytest.mark.parametrize("mode", BACKENDS)
def test_the_rules_of_a_mesh_stay_as_they_are_through_init_and_cleanup(
    pod: Pod, mode: str, mesh: str
) -> None:
    install_mesh(pod, mesh)
    before = mesh_rules(pod, mesh)

    first = pod.init(AZWI_IPTABLES_MODE=mode)
    beside = mesh_rules(pod, mesh)
    cleanup = pod.init("--cleanup")

    assert (first.code, cleanup.code) == (0, 0)
    assert [line for line in beside if "azwi" not in line] == before
    assert mesh_rules(pod, mesh) == before
    assert "azwi" not in pod.ruleset() + pod.legacy().lower()


def test_iptables_nft_goes_on_working_beside_our_nft_table(pod: Pod) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="nft").code == 0

    given = "*nat\n-A OUTPUT -p tcp --dport 81 -j REDIRECT --to-ports 82\nCOMMIT\n"
    pod.do("iptables-nft-restore", "--noflush", given=given)
    listed = pod.do("iptables-nft", "-t", "nat", "-S", "OUTPUT")

    assert "--dport 81" in listed
    assert "azwi" not in listed
