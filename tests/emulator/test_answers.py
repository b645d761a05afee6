"""What goes wrong is answered by one sentence in JSON."""

import json
import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from azwi_emulator import answers, errors


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (errors.RequestRefused("No.", status=404), 404, "No."),
        (errors.BadMessage("'a' must be a string."), 400, "'a' must be a string."),
        (errors.StartFailed("The disk is full."), 500, "The disk is full."),
        (web.HTTPNotFound(), 404, "GET /x cannot be served: Not Found."),
        (ValueError("secret"), 500, "The emulator has a defect: its log says where."),
    ],
)
def test_every_error_has_its_status_and_sentence(
    error: Exception, status: int, sentence: str
) -> None:
    answer = answers.failure(make_mocked_request("GET", "/x"), error)
    assert answer.status == status
    assert json.loads(str(answer.text)) == {"error": sentence}


def test_allowed_methods_are_told() -> None:
    error = web.HTTPMethodNotAllowed("PUT", ["GET"])
    answer = answers.failure(make_mocked_request("PUT", "/x"), error)
    assert answer.headers["Allow"] == "GET"


def test_only_a_defect_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    request = make_mocked_request("GET", "/x")
    answers.failure(request, errors.RequestRefused("No."))
    assert not caplog.records
    answers.failure(request, KeyError("x"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
