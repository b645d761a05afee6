"""Each backend with exactly the capabilities that it needs, and without them."""

from typing import Any

import pytest

pytestmark = pytest.mark.netns

WITHOUT_NFT = """
import sys
from azwi_init import libnftables
libnftables.LIBRARY = "libnftables.so.missing"
from azwi_init.__main__ import main
sys.exit(main(["--outside-kubernetes", *sys.argv[1:]]))
"""
AS_A_USER = """
import os, sys
from azwi_init import libiptc, libnftables  # the user may not be able to read them
from azwi_init.__main__ import main
os.setuid(1000)
sys.exit(main(["--outside-kubernetes", *sys.argv[1:]]))
"""
WHERE = (
    "as the annotation azure.workload.identity/proxy-init-iptables-mode with the value legacy does;"
    " under gVisor start runsc with --net-raw as well"
)
ON_READ_ONLY_ROOT = 'mount -o remount,ro,bind / && ! touch /etc/x 2>/dev/null && exec "$@"'


@pytest.mark.parametrize(
    ("caps", "mask"), [("net_admin", 1 << 12), ("net_admin net_raw", 1 << 12 | 1 << 13)]
)
def test_these_tests_give_exactly_the_capabilities_they_name(
    pod: Any, caps: str, mask: int
) -> None:
    status = pod.python("-c", "print(open('/proc/self/status').read())", caps=caps).output
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert {int(found[kind], 16) for kind in ("CapEff", "CapPrm", "CapBnd")} == {mask}
    assert found["Uid"].split() == ["0"] * 4


@pytest.mark.parametrize("mode", ["nft", "auto"])
def test_nft_needs_net_admin_and_nothing_else(pod: Any, mode: str) -> None:
    outcome = pod.init(caps="net_admin", AZWI_IPTABLES_MODE=mode)

    assert (outcome.code, outcome.lines[0]["backend"]) == (0, "nft")


def test_legacy_needs_net_admin_and_net_raw_and_nothing_else(pod: Any) -> None:
    outcome = pod.init(caps="net_admin net_raw", AZWI_IPTABLES_MODE="legacy")

    assert (outcome.code, outcome.lines[0]["backend"]) == (0, "legacy")


@pytest.mark.parametrize("mode", ["nft", "auto"])
def test_nft_without_net_admin_is_a_sentence_and_a_failure(pod: Any, mode: str) -> None:
    outcome = pod.init(caps="net_raw", AZWI_IPTABLES_MODE=mode)

    assert outcome.code == 1
    assert outcome.sentence.endswith("add the capability NET_ADMIN to the init container.")


def test_legacy_without_net_admin_is_a_sentence_and_a_failure(pod: Any) -> None:
    outcome = pod.init(caps="net_raw", AZWI_IPTABLES_MODE="legacy")

    assert outcome.code == 1
    assert outcome.sentence == (
        "ip_tables refuses this container:"
        f" add the capabilities NET_ADMIN and NET_RAW to the init container, {WHERE}."
    )


@pytest.mark.parametrize("flags", [(), ("--cleanup",)])
@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_a_user_whom_added_capabilities_do_not_reach_is_told_to_run_as_root(
    pod: Any, mode: str, flags: tuple[str, ...]
) -> None:
    outcome = pod.python("-c", AS_A_USER, *flags, AZWI_IPTABLES_MODE=mode)

    assert outcome.code == 1
    assert (
        ": run the init container as UID 0 (runAsUser: 0; it is 1000, which added capabilities do"
        " not reach), and add the capability NET_" in outcome.sentence
    )


def test_legacy_without_net_raw_is_a_sentence_and_a_failure(pod: Any) -> None:
    outcome = pod.init(caps="net_admin", AZWI_IPTABLES_MODE="legacy")

    assert outcome.code == 1
    assert outcome.sentence == (
        "iptables-legacy opens a raw socket, which this container may not:"
        f" add the capability NET_RAW, beside NET_ADMIN, to the init container, {WHERE}."
    )


def test_auto_uses_legacy_where_nft_cannot_be_used(pod: Any) -> None:
    outcome = pod.python("-c", WITHOUT_NFT, caps="net_admin net_raw")

    assert (outcome.code, outcome.lines[0]["backend"]) == (0, "legacy")
    assert "AZWI_PROXY_OUTPUT" in pod.legacy()


def test_auto_says_so_where_only_legacy_would_work_and_net_raw_is_missing(pod: Any) -> None:
    outcome = pod.python("-c", WITHOUT_NFT, caps="net_admin")

    assert outcome.code == 1
    assert outcome.sentence.startswith("only iptables-legacy can work: nf_tables cannot be used")
    assert outcome.sentence.endswith(
        f"add the capability NET_RAW, beside NET_ADMIN, to the init container, {WHERE}."
    )


@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_a_read_only_root_file_system_is_enough(pod: Any, mode: str) -> None:
    python = pod.python_command("-m", "azwi_init", "--outside-kubernetes", caps="net_admin net_raw")

    outcome = pod.run(
        *("unshare", "--mount", "sh", "-c", ON_READ_ONLY_ROOT, "sh", *python),
        environ=pod.environ | {"AZWI_IPTABLES_MODE": mode},
    )

    assert outcome.code == 0, outcome.errors


def test_without_net_raw_cleaning_up_still_removes_what_nft_holds(pod: Any) -> None:
    assert pod.init(caps="net_admin").code == 0

    assert pod.init("--cleanup", caps="net_admin").code == 0
    assert pod.ruleset() == ""
