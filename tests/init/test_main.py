"""The command: what it prints, and with which code it exits."""

import logging
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from azwi_init.__main__ import main

HANGING = """
import sys, time
from azwi_init import __main__ as program
program.LIMIT = 0.2
program.apply.apply = lambda *_: time.sleep(30)
sys.exit(program.main(["--outside-kubernetes"], {}))
"""
MEASURED = """
import runpy, sys
sys.argv = ["azwi-proxy-init", "--outside-kubernetes"]
try:
    runpy.run_module("azwi_init", run_name="__main__")
finally:
    (peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(peak.split()[1])
"""


@pytest.mark.netns
def test_success_is_one_line_and_exit_0(pod: Any) -> None:
    outcome = pod.init()

    (line,) = outcome.lines
    assert (outcome.code, outcome.output, line["level"]) == (0, "", "info")
    assert line["msg"] == "metadata requests go to azwi-proxy"
    assert {key: line[key] for key in ("backend", "port", "exempt_uid")} == {
        "backend": "nft",
        "port": 8000,
        "exempt_uid": 1501,
    }


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    """What a thread has written, all of it."""
    logging.getLogger().handlers[0].flush()
    return capsys.readouterr().err


def test_wrong_settings_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([], {"PROXY_PORT": "0", "METADATA_IP": "localhost"})

    (line,) = logged(capsys).splitlines()
    assert code == 2
    assert "PROXY_PORT must be" in line
    assert "METADATA_IP must be" in line


OUTSIDE = (
    "This is not a pod (KUBERNETES_SERVICE_HOST is not set), so nothing was changed:"
    " azwi-proxy-init would redirect this machine's own metadata address. --dry-run prints the"
    " rules, --cleanup removes them, --outside-kubernetes sets them nevertheless."
)


@pytest.mark.netns
@pytest.mark.parametrize("host", ["", None])
@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_outside_a_pod_it_changes_nothing_and_names_the_flags(
    pod: Any, mode: str, host: str | None
) -> None:
    given = {} if host is None else {"KUBERNETES_SERVICE_HOST": host}
    pod.do("ip", "address", "flush", "dev", "lo", "scope", "global")

    outcome = pod.python("-m", "azwi_init", AZWI_IPTABLES_MODE=mode, **given)

    assert (outcome.code, outcome.sentence) == (2, OUTSIDE)
    assert pod.ruleset() == pod.do("cat", "/proc/net/ip_tables_names") == ""
    assert pod.do("ip", "route") == ""


@pytest.mark.netns
def test_in_a_pod_no_flag_is_needed(pod: Any) -> None:
    outcome = pod.python("-m", "azwi_init", KUBERNETES_SERVICE_HOST="10.0.0.1")

    assert outcome.code == 0, outcome.errors


@pytest.mark.netns
def test_outside_a_pod_cleaning_up_needs_no_flag(pod: Any) -> None:
    assert pod.init().code == 0

    assert pod.python("-m", "azwi_init", "--cleanup").code == 0
    assert pod.ruleset() == ""


def test_an_unknown_flag_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--verbose"], {})

    assert caught.value.code == 2
    assert "unrecognized arguments: --verbose" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"], {})

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("azwi-proxy-init ")


def test_the_log_level_of_the_command_line_wins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--log-level", "loud"], {"AZWI_LOG_LEVEL": "info"}) == 2
    assert "AZWI_LOG_LEVEL must be one of" in logged(capsys)


@pytest.mark.parametrize(("mode", "name"), [("nft", "nft"), ("auto", "nft"), ("legacy", "legacy")])
def test_a_dry_run_prints_what_would_be_set(
    capsys: pytest.CaptureFixture[str], golden: Path, mode: str, name: str
) -> None:
    code = main(["--dry-run"], {"AZWI_IPTABLES_MODE": mode})

    head, _, text = capsys.readouterr().out.partition("\n")
    assert code == 0
    assert head.startswith("# for nft -f" if name == "nft" else "# for iptables-legacy-restore")
    assert ("legacy where nf_tables has no support" in head) == (mode == "auto")
    assert text == (golden / f"default.{name}").read_text()


@pytest.mark.netns
@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_a_dry_run_needs_no_privileges_and_changes_nothing(pod: Any, mode: str) -> None:
    outcome = pod.init("--dry-run", caps="", AZWI_IPTABLES_MODE=mode)

    assert (outcome.code, outcome.errors) == (0, "")
    assert pod.ruleset() == ""
    assert pod.do("cat", "/proc/net/ip_tables_names") == ""


@pytest.mark.netns
def test_what_a_dry_run_prints_is_what_nft_accepts(pod: Any) -> None:
    printed = pod.init("--dry-run").output
    pod.do("nft", "-f", "-", given=printed)

    assert pod.init().lines[0]["changed"] is False


def test_a_program_that_hangs_ends_itself_with_a_sentence() -> None:
    began = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-c", HANGING],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert (done.returncode, time.monotonic() - began < 10) == (1, True)
    assert "azwi-proxy-init did not end in 0.2 s" in done.stderr


@pytest.mark.netns
def test_the_nft_path_imports_no_iptc_and_starts_no_process(pod: Any) -> None:
    imported = pod.python(
        "-X", "importtime", "-m", "azwi_init", "--outside-kubernetes", caps="net_admin"
    ).errors

    assert "azwi_init.libnftables" in imported
    assert not {"iptc", "azwi_init.libiptc", "subprocess"} & set(imported.split())


@pytest.mark.netns
@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_the_program_stays_below_40_mb(pod: Any, mode: str) -> None:
    kilobytes = int(pod.python("-c", MEASURED, AZWI_IPTABLES_MODE=mode).output)

    assert kilobytes < 40_000


@pytest.mark.netns
def test_the_nft_path_takes_less_than_a_quarter_of_a_second(pod: Any) -> None:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def run() -> float:  # in CPU time, to which a busy machine adds little: it waits for nothing
        before = spent()
        assert pod.init().code == 0
        return spent() - before

    assert min(run() for _ in range(5)) < 0.25
