"""The legacy interface through python-iptables: the real kernel, and python-iptables' traps."""

import re
from pathlib import Path
from typing import Any

import pytest

from azwi_init import errors, libiptc

LEGACY = {"AZWI_IPTABLES_MODE": "legacy"}

RACE = """
import subprocess
from azwi_init import libiptc, rules
plan = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=1501)
class Raced(libiptc.IpTables):
    left = {times}
    def _stage(self, *what):
        super()._stage(*what)
        if self.left:
            self.left -= 1
            port = str(1000 + self.left)
            rule = ["-p", "tcp", "--dport", port, "-j", "REDIRECT", "--to-ports", port]
            subprocess.run(["iptables-legacy", "-t", "nat", "-A", "OUTPUT", *rule], check=True)
kernel = Raced()
try:
    kernel.replace(plan)
except Exception as error:
    print(type(error).__name__, error)
print(kernel.holds(plan), kernel.left)
"""

WITHOUT_COMMENTS = """
import sys
from azwi_init import libiptc
from azwi_init.__main__ import main
iptc = libiptc.import_iptc()
staged = []
create, commit = iptc.Rule.create_match, iptc.Table.commit
def create_match(rule, name, *more):
    staged.append(name)
    return create(rule, name, *more)
def refuse(table):
    if "comment" in staged:
        staged.clear()
        raise iptc.IPTCError("can't commit: b'Invalid argument'")
    return commit(table)
iptc.Rule.create_match, iptc.Table.commit = create_match, refuse
if "--deaf" not in sys.argv:
    libiptc.knows_comments = lambda: False
sys.exit(main(["--outside-kubernetes"]))
"""
ASKED = """
import sys
from azwi_init import libiptc
made = libiptc.ctypes.create_string_buffer
libiptc.ctypes.create_string_buffer = lambda text, size: made(text.replace(b"comment", NAME), size)
print(libiptc.knows_comments())
"""

PROCESSES = """
import sys
from azwi_init import libiptc
def hear(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system"):
        if "modprobe" not in str(arguments):
            print(event, arguments)
sys.addaudithook(hear)
libiptc.IpTables()
print("iptc" in sys.modules, "distutils" in sys.modules, "pkg_resources" in sys.modules)
"""


@pytest.mark.netns
def test_the_rules_are_those_of_the_golden_file(pod: Any, new_pod: Any, golden: Path) -> None:
    other = new_pod()
    other.do("iptables-legacy-restore", "--noflush", given=(golden / "default.legacy").read_text())

    assert pod.init(**LEGACY).code == 0
    assert pod.legacy() == other.legacy()


@pytest.mark.netns
def test_running_twice_changes_nothing(pod: Any) -> None:
    first = pod.init(**LEGACY)
    before = pod.legacy()

    again = pod.init(**LEGACY)

    assert (first.code, again.code) == (0, 0)
    assert [first.lines[0]["changed"], again.lines[0]["changed"]] == [True, False]
    assert pod.legacy() == before


@pytest.mark.netns
def test_another_port_replaces_the_rules_even_after_traffic_was_counted(pod: Any) -> None:
    assert pod.init(**LEGACY).code == 0
    pod.serve("127.0.0.1:8000:azwi-proxy")
    assert pod.ask() == "azwi-proxy"

    assert pod.init(**LEGACY, PROXY_PORT="8100").code == 0

    assert pod.legacy().count("--to-ports 8100") == 1
    assert pod.legacy().count("-A OUTPUT") == 1
    assert "8000" not in pod.legacy()


@pytest.fixture
def extensions(tmp_path: Path) -> Path:
    """The extensions that the image holds, and no others."""
    found = tmp_path / "xtables"
    found.mkdir()
    for name in ("standard", "tcp", "owner", "comment", "REDIRECT", "DNAT", "NAT"):
        library = Path(libiptc.extensions()) / f"libxt_{name}.so"
        if library.exists():
            (found / library.name).symlink_to(library)
    return found


@pytest.mark.netns
def test_rules_of_others_stay_even_those_whose_extension_the_image_lacks(
    pod: Any, extensions: Path
) -> None:
    theirs = [
        "-A OUTPUT -d 10.0.0.1/32 -m statistic --mode random --probability 0.50000000000 -j RETURN",
        "-A OUTPUT -d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 99",
    ]
    for rule in theirs:
        pod.do("iptables-legacy", "-t", "nat", *rule.split())
    before = pod.legacy()

    outcome = pod.init(**LEGACY, XTABLES_LIBDIR=str(extensions))
    beside = pod.legacy()

    assert outcome.code == 0, outcome.errors
    assert [line for line in beside.splitlines() if line in theirs] == theirs
    assert pod.init("--cleanup").code == 0
    assert pod.legacy() == before


@pytest.mark.netns
def test_the_jump_is_put_first_again_and_stays_the_only_one(pod: Any) -> None:
    assert pod.init(**LEGACY).code == 0
    before = pod.legacy()
    pod.do("iptables-legacy", "-t", "nat", "-I", "OUTPUT", "-d", "10.0.0.1", "-j", "RETURN")
    pod.do("iptables-legacy", "-t", "nat", "-A", "OUTPUT", "-j", "AZWI_PROXY_OUTPUT")

    assert pod.init(**LEGACY).lines[0]["changed"] is True
    pod.do("iptables-legacy", "-t", "nat", "-D", "OUTPUT", "-d", "10.0.0.1", "-j", "RETURN")
    assert pod.legacy() == before


@pytest.mark.netns
def test_chains_that_somebody_changed_are_set_anew(pod: Any) -> None:
    assert pod.init(**LEGACY).code == 0
    before = pod.legacy()
    pod.do("iptables-legacy", "-t", "nat", "-I", "AZWI_PROXY_OUTPUT", "-j", "RETURN")

    assert pod.init(**LEGACY).lines[0]["changed"] is True
    assert pod.legacy() == before


@pytest.mark.netns
@pytest.mark.parametrize("flags", [(), ("--deaf",)])
def test_where_the_kernel_lacks_the_match_comment_the_same_rules_stand_without_comments(
    pod: Any, golden: Path, flags: tuple[str, ...]
) -> None:
    first = pod.python("-c", WITHOUT_COMMENTS, *flags, **LEGACY)
    set_rules = pod.legacy()
    again = pod.python("-c", WITHOUT_COMMENTS, *flags, **LEGACY)

    commented = (golden / "default.legacy").read_text().splitlines()
    bare = [re.sub(r' -m comment --comment "[^"]*"', "", line) for line in commented]
    assert [(done.code, done.lines[0]["changed"]) for done in (first, again)] == [
        (0, True),
        (0, False),
    ]
    assert [line for line in set_rules.splitlines() if "-A AZWI" in line] == [
        line for line in bare if "-A AZWI" in line
    ]
    assert pod.legacy() == set_rules


@pytest.mark.netns
def test_rules_without_comments_redirect_and_exempt_as_the_others_do(pod: Any) -> None:
    pod.serve("169.254.169.254:80:imds")
    assert pod.python("-c", WITHOUT_COMMENTS, **LEGACY).code == 0
    pod.serve("127.0.0.1:8000:azwi-proxy")

    assert [pod.ask(uid=uid) for uid in (1501, 1502, 0)] == ["imds", "azwi-proxy", "azwi-proxy"]


@pytest.mark.netns
def test_rules_of_which_only_some_have_comments_are_set_anew(pod: Any) -> None:
    assert pod.init(**LEGACY).code == 0
    before = pod.legacy()
    pod.do("iptables-legacy", "-t", "nat", "-F", "AZWI_PROXY_REDIRECT")
    bare = "-A AZWI_PROXY_REDIRECT -p tcp -j REDIRECT --to-ports 8000"
    pod.do("iptables-legacy", "-t", "nat", *bare.split())

    assert pod.init(**LEGACY).lines[0]["changed"] is True
    assert pod.legacy() == before


@pytest.mark.netns
@pytest.mark.parametrize(("name", "known"), [("comment", True), ("no-such", False)])
def test_the_kernel_is_asked_whether_it_knows_a_match(pod: Any, name: str, known: bool) -> None:
    code = ASKED.replace("NAME", repr(name.encode()))

    assert pod.python("-c", code, caps="net_admin net_raw").output == f"{known}\n"


@pytest.mark.netns
def test_cleaning_up_in_legacy_mode_finds_rules_where_no_list_of_tables_exists(pod: Any) -> None:
    # gVisor has the table and no /proc/net/ip_tables_names
    code = (
        "import sys; from azwi_init import libiptc; from azwi_init.__main__ import main;"
        " libiptc.TABLES_IN_USE = libiptc.Path('/missing'); sys.exit(main(['--cleanup']))"
    )
    assert pod.init(**LEGACY).code == 0

    done = pod.python("-c", code, **LEGACY)

    assert (done.code, done.lines[0]["backends"]) == (0, ["legacy"])
    assert "AZWI" not in pod.legacy()


@pytest.mark.netns
def test_no_table_but_nat_comes_into_being(pod: Any) -> None:
    assert pod.init(**LEGACY).code == 0

    assert pod.do("cat", "/proc/net/ip_tables_names") == "nat\n"


@pytest.mark.netns
def test_a_commit_that_another_one_overtook_is_made_again(pod: Any) -> None:
    assert pod.python("-c", RACE.format(times=2)).output == "True 0\n"
    assert "--dport 1000" in pod.legacy()
    assert "--dport 1001" in pod.legacy()


@pytest.mark.netns
def test_after_five_overtaken_commits_nothing_of_ours_is_set(pod: Any) -> None:
    output = pod.python("-c", RACE.format(times=9)).output

    assert "NotApplied ip_tables did not take the rules" in output
    assert "False 4\n" in output
    assert "AZWI" not in pod.legacy()


@pytest.mark.netns
def test_an_extension_that_is_missing_is_a_failure_and_never_a_rule_without_its_match(
    pod: Any, extensions: Path
) -> None:
    (extensions / "libxt_owner.so").unlink()

    outcome = pod.init(**LEGACY, XTABLES_LIBDIR=str(extensions))

    assert outcome.code == 1
    assert "iptables-legacy does not work here (can't find match owner)" in outcome.sentence
    assert "AZWI" not in pod.legacy()


@pytest.mark.netns
def test_python_iptables_is_imported_without_starting_a_process(pod: Any) -> None:
    assert pod.python("-c", PROCESSES).output == "True False False\n"


@pytest.mark.netns
def test_the_exempt_user_reaches_the_real_metadata_service_and_only_that(pod: Any) -> None:
    pod.serve("169.254.169.254:80:imds", "169.254.169.254:81:other", "127.0.0.1:8000:azwi-proxy")
    assert pod.init(**LEGACY).code == 0

    assert [pod.ask(uid=uid) for uid in (1501, 1502, 0)] == ["imds", "azwi-proxy", "azwi-proxy"]
    assert pod.ask(port=81) == "other"


@pytest.mark.netns
def test_nobody_reaches_the_real_metadata_service_past_a_proxy_that_forwards_nothing(
    pod: Any,
) -> None:
    pod.serve("169.254.169.254:80:imds", "127.0.0.1:8000:azwi-proxy")
    assert pod.init(**LEGACY, AZWI_FORWARD="none").code == 0

    assert [pod.ask(uid=uid) for uid in (1501, 0)] == ["azwi-proxy", "azwi-proxy"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("can't initialize nat: b'Permission denied (you must be root)'", errors.NotPermitted),
        ("can't initialize nat: b'iptables who? (do you need to insmod?)'", errors.NotSupported),
        ("can't commit: b'No chain/target/match by that name'", errors.NotSupported),
        ("can't commit: b'Invalid argument'", errors.NotApplied),
    ],
)
def test_a_missing_capability_is_told_from_missing_support(
    said: str, kind: type[errors.InitError]
) -> None:
    assert type(libiptc.refused(Exception(said))) is kind


def test_a_kernel_without_ip_tables_holds_no_legacy_rules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(libiptc, "TABLES_IN_USE", tmp_path / "missing")

    assert not libiptc.nat_in_use()


def test_a_list_of_tables_that_may_not_be_read_is_a_missing_capability(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(libiptc, "TABLES_IN_USE", tmp_path)  # a directory cannot be read either

    with pytest.raises(errors.NotPermitted, match="add the capabilities NET_ADMIN and NET_RAW"):
        libiptc.nat_in_use()
