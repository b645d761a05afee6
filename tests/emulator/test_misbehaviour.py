"""Faults as a client sees them, over real sockets."""

import http.client
import socket
import ssl
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from azwi_emulator.messages import AccessTokenShape, Fault
from azwi_testing import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Entra


def test_latency_delays_the_right_answer(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="latency", seconds=0.3))
    start = time.monotonic()
    assert entra.token().status == 200
    assert time.monotonic() - start >= 0.3


def test_any_fault_may_be_late(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="throttle", latency=0.2))
    start = time.monotonic()
    assert entra.token().status == 429
    assert time.monotonic() - start >= 0.2


def test_an_answer_is_sent_as_it_was_asked_for(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(
        Fault(
            kind="answer",
            status=503,
            body="<html>",
            content_type="text/html; charset=utf-8",
            retry_after="7",
        )
    )
    answer = entra.token()
    assert (answer.status, answer.body) == (503, b"<html>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Retry-After"] == "7"


def test_throttling_is_plain_text_with_a_minute_to_wait(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="throttle"))
    answer = entra.token()
    assert (answer.status, answer.body) == (429, b"Too Many Requests")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Retry-After"] == "60"


def test_a_code_is_answered_as_entra_id_answers_it(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=90033))
    answer = entra.token()
    assert (answer.status, answer.json["error_codes"]) == (503, [90033])
    assert emulator.control.exchanges()[0].aadsts == 90033


def test_a_code_quotes_the_request_that_it_refuses(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=700016))
    body = entra.token().json
    assert entra.where.client_id in body["error_description"]


def test_garbage_is_a_200_that_is_no_json(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="garbage"))
    answer = entra.token()
    assert answer.status == 200
    with pytest.raises(ValueError):
        _ = answer.json


def test_a_truncated_answer_ends_before_its_length(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="truncate"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        entra.token()
    assert b"token_type" in caught.value.partial
    assert caught.value.expected


def test_a_trickle_is_the_right_answer_bit_by_bit(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.shape_access_tokens(AccessTokenShape(size_bytes=0))
    emulator.control.fault(Fault(kind="trickle", seconds=0.0005))
    start = time.monotonic()
    answer = entra.token()
    assert answer.json["token_type"] == "Bearer"
    assert time.monotonic() - start > 0.0005 * len(answer.body)


def test_a_reset_is_a_tcp_reset(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="reset"))
    # TLS in memory, because ssl's sockets report a reset as an end.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = entra.tls().wrap_bio(incoming, outgoing, server_hostname=entra.address[0])
    request = f"POST /{entra.where.tenant_id}/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\n"
    with closing(socket.create_connection(entra.address, timeout=5)) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        tls.write(f"{request}Content-Length: 0\r\n\r\n".encode())
        connection.sendall(outgoing.read())
        with pytest.raises(ConnectionResetError):
            connection.recv(65536)


def test_a_hanging_request_gets_no_answer(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="hang"))
    with pytest.raises(TimeoutError):
        entra.token(timeout=2)
    (seen,) = emulator.control.exchanges()
    assert (seen.status, seen.faults) == (None, ("hang",))


def test_a_hanging_request_is_let_go_when_the_fault_is_cleared(
    entra: "Entra", emulator: Emulator
) -> None:
    emulator.control.fault(Fault(kind="hang", times=1))
    ends: list[BaseException] = []

    def ask() -> None:
        try:
            entra.token()
        except (http.client.HTTPException, OSError) as error:
            ends.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while not emulator.control.exchanges():
        time.sleep(0.01)
    emulator.control.clear_fault("hang")
    waiting.join(3)
    assert not waiting.is_alive()
    assert isinstance(ends[0], http.client.RemoteDisconnected)


def test_a_fault_heals_by_itself_after_its_times(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="throttle", times=2))
    assert [entra.token().status for _ in range(3)] == [429, 429, 200]


def test_faults_happen_in_turn(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="answer", status=503, times=1), name="first")
    emulator.control.fault(Fault(kind="throttle", times=1), name="second")
    assert [entra.token().status for _ in range(3)] == [503, 429, 200]


def test_a_fault_may_be_for_one_client_only(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="throttle", client_id="somebody"))
    assert entra.token().status == 200
    assert entra.token(client_id="Somebody").status == 429


def test_a_fault_may_be_for_metadata_only(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="answer", status=502, at=("metadata",)))
    path = f"/{entra.where.tenant_id}/v2.0/.well-known/openid-configuration"
    assert entra.ask(path).status == 502
    assert entra.ask("/common/discovery/instance").status == 502
    assert entra.token().status == 200


def test_a_closed_port_refuses_until_it_is_cleared(entra: "Entra", emulator: Emulator) -> None:
    kept = http.client.HTTPSConnection(*entra.address, timeout=5, context=entra.tls())
    with closing(kept):
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        emulator.control.fault(Fault(kind="refuse"))
        with pytest.raises(ConnectionRefusedError):
            entra.token()
        with pytest.raises((http.client.HTTPException, OSError)):
            _again(kept)
    emulator.control.clear_faults()
    assert entra.token().status == 200


def _again(kept: http.client.HTTPSConnection) -> None:
    kept.auto_open = 0  # no new connection: the old one must be gone
    kept.request("GET", "/healthz")
    kept.getresponse()


def test_an_untrusted_certificate_is_shown_until_it_is_cleared(
    entra: "Entra", emulator: Emulator
) -> None:
    emulator.control.fault(Fault(kind="untrusted"))
    with pytest.raises(ssl.SSLCertVerificationError):
        entra.token()
    emulator.control.clear_faults()
    assert entra.token().status == 200


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_a_skewed_clock_refuses_good_assertions(
    entra: "Entra", emulator: Emulator, seconds: int
) -> None:
    emulator.control.fault(Fault(kind="skew", seconds=seconds))
    answer = entra.token()
    assert answer.json["error_codes"] == [700024]
    shown = time.strptime(answer.json["timestamp"], "%Y-%m-%d %H:%M:%SZ")
    assert abs(time.mktime(shown) - time.mktime(time.gmtime()) - seconds) < 5


def test_a_refusal_may_be_late_too(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=700016, latency=0.3))
    started = time.monotonic()
    assert entra.token().json["error_codes"] == [700016]
    assert time.monotonic() - started >= 0.3
