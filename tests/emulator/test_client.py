"""The client of the control endpoint."""

import socket

import pytest

from azwi_emulator import errors
from azwi_emulator.client import Control
from azwi_emulator.messages import ClientRegistration, Fault
from azwi_testing import Emulator

TENANT = "11111111-2222-3333-4444-555555555555"


def test_a_refusal_arrives_as_the_emulators_sentence(emulator: Emulator) -> None:
    with pytest.raises(errors.ControlError, match="No credential has the id 'x/y'"):
        emulator.control.delete_credential("x/y")


def test_an_emulator_that_is_gone_is_a_sentence() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(errors.ControlError, match=f"The control endpoint at {url} does not"):
            Control(url).reset()


def test_an_answer_that_is_not_an_emulators_is_a_sentence(emulator: Emulator) -> None:
    with pytest.raises(errors.ControlError, match="cannot be served"):
        Control(emulator.announced["controlUrl"] + "/nowhere").reset()


def test_proxies_of_the_environment_are_not_used(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    control = Control(emulator.announced["controlUrl"])
    assert control.announcement().pid == emulator.announced["pid"]


def test_names_are_quoted(emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="throttle"), name="a/b c?")
    emulator.control.clear_fault("a/b c?")


def test_a_registered_client_can_be_deleted(emulator: Emulator) -> None:
    emulator.control.register_client(ClientRegistration(tenant_id=TENANT, client_id="c"))
    emulator.control.delete_client(TENANT, "c")
    with pytest.raises(errors.ControlError, match="No client 'c'"):
        emulator.control.delete_client(TENANT, "c")


def test_calls_arrive_as_they_were_seen(emulator: Emulator) -> None:
    assert emulator.control.calls() == []
