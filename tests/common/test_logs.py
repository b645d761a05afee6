"""JSON lines, and what never stands in them."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from azwi_common import logs

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


class Written:
    """Where lines go in place of standard error."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, data: bytes) -> None:
        self.data += data

    @property
    def text(self) -> str:
        """Everything logged so far."""
        logging.getLogger().handlers[0].flush()
        return self.data.decode()


@pytest.fixture
def written() -> Iterator[Written]:
    """What is logged; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = Written()
    logs.configure("info", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.text.splitlines()]


def test_a_record_is_one_json_line_with_its_fields(written: Written) -> None:
    logging.getLogger("x").info("token\nrequest", extra={"fields": {"status": 200}})
    (line,) = lines(written)
    assert (line["level"], line["msg"], line["status"]) == ("info", "token\nrequest", 200)
    assert line["time"].endswith("Z")


def test_records_below_the_level_are_not_written(written: Written) -> None:
    logging.getLogger("x").debug("quiet")
    assert lines(written) == []


@pytest.mark.parametrize(
    "text", [JWT, f"Bearer {JWT}", JWT.rsplit(".", 1)[0], JWT[:25], f"x={JWT}&"]
)
def test_what_looks_like_a_token_is_cut_out(written: Written, text: str) -> None:
    logging.getLogger("x").warning("seen %s", text, extra={"fields": {"value": text}})
    assert "eyJ" not in written.text
    assert "[token]" in written.text


def test_a_traceback_is_written_without_the_token_it_quotes(written: Written) -> None:
    try:
        raise ValueError(f"cannot parse {JWT}")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(written)
    assert "Traceback" in line["error"]
    assert "eyJ" not in line["error"]


def test_a_client_id_is_shortened_to_eight_characters() -> None:
    assert logs.short("12345678-1234-1234-1234-123456789012") == "12345678"


class Stalled:
    """A reader that takes nothing until it is told to go on."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.data = b""

    def __call__(self, data: bytes) -> None:
        self.entered.set()
        assert self.go_on.wait(30)
        self.data += data


def test_a_reader_that_stalls_makes_nobody_wait_and_costs_bounded_memory() -> None:
    stalled = Stalled()
    writer = logs.Writer(stalled)
    writer.put(b"first\n")
    assert stalled.entered.wait(30)
    line = b"x" * 1023 + b"\n"
    for _ in range(1000):
        writer.put(line)
    kept = (logs.MAX_QUEUED - len(b"first\n")) // len(line)
    assert writer.lost == 1000 - kept
    stalled.go_on.set()
    assert writer.wait_until_written(30)
    *_, last = stalled.data.splitlines()
    assert stalled.data.count(line) == kept
    assert json.loads(last)["lost"] == 1000 - kept


def test_lines_that_cannot_be_written_are_counted_and_told_once_they_can() -> None:
    data, full = b"", True

    def write(batch: bytes) -> None:
        nonlocal data
        if full:
            raise OSError(28, "No space left on device")
        data += batch

    writer = logs.Writer(write)
    writer.put(b"{}\n")
    assert writer.wait_until_written(30)
    full = False
    writer.put(b"{}\n")
    assert writer.wait_until_written(30)
    first, told = data.splitlines()
    assert (first, json.loads(told)["lost"], writer.lost) == (b"{}", 1, 1)


def test_a_line_that_is_too_long_stays_one_json_line(written: Written) -> None:
    logging.getLogger("x").warning("%s", "é" * 100_000)
    (line,) = lines(written)
    assert len(written.data) < logs.MAX_LINE
    assert line["begins"].startswith('{"time"')


def test_a_record_that_cannot_be_spelled_stops_nobody(written: Written) -> None:
    record = logging.makeLogRecord({"msg": "%d of them", "args": ("text",)})
    logging.getLogger().handlers[0].emit(record)
    assert lines(written)[0]["msg"] == "a log record cannot be spelled"


SCRIPT = """
import logging, sys
from azwi_common import logs
logs.configure("info")
for number in range(int(sys.argv[1])):
    logging.info("line %d", number)
sys.exit(7)
"""


def test_what_is_queued_at_the_end_is_written() -> None:
    command = [sys.executable, "-c", SCRIPT, "500"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 7
    assert len(done.stderr.splitlines()) == 500


def test_the_end_of_a_program_does_not_wait_for_a_log_that_nobody_reads() -> None:
    command = [sys.executable, "-c", SCRIPT, "5000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.wait(30) == 7  # it would never end


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing() -> None:
    script = "import os; os.set_blocking(2, False)\n" + SCRIPT
    command = [sys.executable, "-c", script, "3000"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert len(done.stderr.splitlines()) == 3000


def test_waiting_for_a_reader_takes_no_processor_time(
    monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    assert written.text == ""  # the fixture puts the root logger back
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        others = threading.enumerate()
        logs.configure("info")
        (thread,) = set(threading.enumerate()) - set(others)
        assert thread.ident
        for _ in range(100):
            logging.warning("x" * 1000)
        time.sleep(0.5)
        clock = time.pthread_getcpuclockid(thread.ident)
        before = time.clock_gettime(clock)
        time.sleep(0.5)
        assert time.clock_gettime(clock) - before < 0.1
        assert logs.lost() == 0, "it waits, and gave nothing up"
