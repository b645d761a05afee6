"""nf_tables through libnftables: the real kernel, and what it says when it refuses."""

import errno
import os
from typing import Any

import pytest

from azwi_init import errors, libnftables

BROKEN = """
import sys
from azwi_init import libnftables, rules, errors
good = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=1501)
bad = (*rules.plan(ip="169.254.169.254", port=80, proxy_port=9000, exempt_uid=None),
       rules.Rule(why="azwi: no such port", ip="169.254.169.254", port=80, to_port=70000))
kernel = libnftables.NfTables()
kernel.replace(good)
try:
    kernel.replace(bad)
except errors.NotSupported:
    print(kernel.holds(good), kernel.holds(bad))
"""


SUBSYSTEM = """
from azwi_init import libnftables, errors
libnftables.NFNL_SUBSYS_NFTABLES = {number}
try:
    libnftables.check_kernel()
    print("served")
except errors.InitError as error:
    print(type(error).__name__)
"""


@pytest.mark.netns
def test_a_plan_is_set_whole_or_not_at_all(pod: Any) -> None:
    assert pod.python("-c", BROKEN).output == "True False\n"
    assert "9000" not in pod.ruleset()


@pytest.mark.netns
def test_running_twice_changes_nothing(pod: Any) -> None:
    first = pod.init(AZWI_IPTABLES_MODE="nft")
    before = pod.do("nft", "--handle", "list", "ruleset")

    again = pod.init(AZWI_IPTABLES_MODE="nft")

    assert (first.code, again.code) == (0, 0)
    assert [first.lines[0]["changed"], again.lines[0]["changed"]] == [True, False]
    assert pod.do("nft", "--handle", "list", "ruleset") == before


@pytest.mark.netns
def test_another_port_replaces_the_rules(pod: Any) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="nft").code == 0
    assert pod.init(AZWI_IPTABLES_MODE="nft", PROXY_PORT="8100").code == 0

    assert pod.ruleset().count("redirect to :8100") == 1
    assert "8000" not in pod.ruleset()


@pytest.mark.netns
def test_rules_that_somebody_changed_are_set_anew(pod: Any) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="nft").code == 0
    before = pod.ruleset()
    pod.do("nft", "insert rule ip azwi output tcp dport 80 accept")

    assert pod.init(AZWI_IPTABLES_MODE="nft").lines[0]["changed"] is True
    assert pod.ruleset() == before


@pytest.mark.netns
def test_a_table_of_our_name_that_sleeps_is_set_anew(pod: Any) -> None:
    # libnftables 1.0.6 lists the flag as broken JSON
    text = pod.init("--dry-run").output.replace("ip azwi {", "ip azwi {\n flags dormant\n")
    pod.do("nft", "-f", "-", given=text)

    outcome = pod.init(AZWI_IPTABLES_MODE="nft")

    assert (outcome.code, outcome.lines[0]["changed"]) == (0, True)
    assert "dormant" not in pod.ruleset()


FORMS = """
from azwi_init import libnftables, rules
plan = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=1501)
kernel = libnftables.NfTables()
run, forms = kernel._run, []
kernel._run = lambda commands, form=0: forms.append(form) or run(commands, form)
print(kernel.holds(plan), libnftables._JSON in forms)
"""


@pytest.mark.netns
@pytest.mark.parametrize(
    ("flags", "seen"), [("", "True True\n"), ("flags dormant\n", "False False\n")]
)
def test_of_a_table_with_flags_no_json_is_asked_for(pod: Any, flags: str, seen: str) -> None:
    # found by "corrupted double-linked list", exit code -6; valgrind names libnftables' JSON
    text = pod.init("--dry-run").output.replace("ip azwi {", "ip azwi {\n" + flags)
    pod.do("nft", "-f", "-", given=text)

    assert pod.python("-c", FORMS).output == seen


@pytest.mark.netns
@pytest.mark.parametrize(
    ("mode", "flags"), [("auto", ()), ("nft", ()), ("legacy", ()), ("auto", ("--cleanup",))]
)
def test_a_table_of_our_name_that_another_process_owns_is_a_sentence_and_a_failure(
    pod: Any, mode: str, flags: tuple[str, ...]
) -> None:
    pod.own_table("ip azwi")

    outcome = pod.init(*flags, AZWI_IPTABLES_MODE=mode)

    assert outcome.code == 1
    assert outcome.sentence == (
        "nf_tables did not take the change (Could not process rule: Operation not permitted):"
        " end the process in this pod that owns the table ip azwi."
    )


@pytest.mark.netns
def test_tables_of_others_stay_as_they_are(pod: Any) -> None:
    theirs = "table ip theirs {\n\tchain output {\n\t\tip daddr 10.0.0.1 drop\n\t}\n}\n"
    pod.do("nft", "-f", "-", given=theirs)

    assert pod.init(AZWI_IPTABLES_MODE="nft").code == 0
    assert pod.ruleset().startswith(theirs)
    assert pod.init("--cleanup").code == 0
    assert pod.ruleset() == theirs


@pytest.mark.netns
def test_the_exempt_user_reaches_the_real_metadata_service_and_only_that(pod: Any) -> None:
    pod.serve("169.254.169.254:80:imds", "169.254.169.254:81:other", "127.0.0.1:8000:azwi-proxy")
    assert pod.init(AZWI_IPTABLES_MODE="nft").code == 0

    assert [pod.ask(uid=uid) for uid in (1501, 1502, 0)] == ["imds", "azwi-proxy", "azwi-proxy"]
    assert pod.ask(port=81) == "other"


@pytest.mark.netns
def test_nobody_reaches_the_real_metadata_service_past_a_proxy_that_forwards_nothing(
    pod: Any,
) -> None:
    pod.serve("169.254.169.254:80:imds", "127.0.0.1:8000:azwi-proxy")
    assert pod.init(AZWI_IPTABLES_MODE="nft", AZWI_FORWARD="none").code == 0

    assert [pod.ask(uid=uid) for uid in (1501, 0)] == ["azwi-proxy", "azwi-proxy"]


@pytest.mark.parametrize("said", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_kernel_without_nf_tables_has_no_support(
    monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    # what kernels answer for a netfilter subsystem that they lack
    monkeypatch.setattr(libnftables, "_errno_of_generation", lambda: said)

    with pytest.raises(errors.NotSupported) as caught:
        libnftables.NfTables()

    assert str(caught.value) == (
        f"nf_tables does not work here ({os.strerror(said)}): load the kernel modules nf_tables,"
        " nft_chain_nat, nft_redir and nft_nat on the node, or, under gVisor, choose legacy by the"
        " annotation azure.workload.identity/proxy-init-iptables-mode."
    )


@pytest.mark.netns
def test_a_subsystem_that_this_kernel_lacks_is_told_from_a_missing_capability(pod: Any) -> None:
    assert pod.python("-c", SUBSYSTEM.format(number=10)).output == "served\n"
    assert pod.python("-c", SUBSYSTEM.format(number=60)).output == "NotSupported\n"
    refused = pod.python("-c", SUBSYSTEM.format(number=10), caps="net_raw")
    assert refused.output == "NotPermitted\n"


def test_a_refusal_in_the_midst_quotes_the_kernel() -> None:
    said = "/dev/stdin:5:3-9: Error: Could not process rule: No such file or directory\n redirect"

    assert "(Could not process rule: No such file or directory)" in str(libnftables.refused(said))


def test_a_kernel_without_netfilters_netlink_has_no_support(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libnftables, "NETLINK_NETFILTER", 31)  # a protocol that no kernel has

    with pytest.raises(errors.NotSupported, match=r"nf_tables does not work here \(Protocol not"):
        libnftables.NfTables()


def test_a_profile_that_refuses_netlink_sockets_is_told_from_missing_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(libnftables, "_errno_of_generation", refuse)

    with pytest.raises(errors.NotSupported) as caught:
        libnftables.NfTables()

    assert str(caught.value) == (
        "nf_tables cannot be reached (Permission denied for a netlink socket): let the init"
        " container's seccomp, AppArmor or SELinux profile allow AF_NETLINK."
    )


def test_an_image_without_the_library_has_no_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libnftables, "_errno_of_generation", lambda: 0)
    monkeypatch.setattr(libnftables, "LIBRARY", "libnftables.so.missing")

    with pytest.raises(errors.NotSupported, match="install libnftables in the image"):
        libnftables.NfTables()
