"""JSON lines, and what never stands in them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from azwi_common import logs

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_line_with_its_fields(stream: io.StringIO) -> None:
    logging.getLogger("x").info("token\nrequest", extra={"fields": {"status": 200}})
    (line,) = lines(stream)
    assert (line["level"], line["msg"], line["status"]) == ("info", "token\nrequest", 200)
    assert line["time"].endswith("Z")


def test_records_below_the_level_are_not_written(stream: io.StringIO) -> None:
    logging.getLogger("x").debug("quiet")
    assert lines(stream) == []


@pytest.mark.parametrize(
    "text", [JWT, f"Bearer {JWT}", JWT.rsplit(".", 1)[0], JWT[:25], f"x={JWT}&"]
)
def test_what_looks_like_a_token_is_cut_out(stream: io.StringIO, text: str) -> None:
    logging.getLogger("x").warning("seen %s", text, extra={"fields": {"value": text}})
    assert "eyJ" not in stream.getvalue()
    assert "[token]" in stream.getvalue()


def test_a_traceback_is_written_without_the_token_it_quotes(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"cannot parse {JWT}")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(stream)
    assert "Traceback" in line["error"]
    assert "eyJ" not in line["error"]


def test_a_client_id_is_shortened_to_eight_characters() -> None:
    assert logs.short("12345678-1234-1234-1234-123456789012") == "12345678"
