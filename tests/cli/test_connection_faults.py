"""What a failed connection means. That these are the real texts is held by test_web."""

import pytest

from azwi_cli import connection_faults


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[Errno 111] Connection refused", "Nobody listens at host.example:8443."),
        ("[Errno -2] Name or service not known", "The name host.example:8443 does not resolve."),
        ("nodename nor servname provided, or not known", "does not resolve"),
        ("certificate verify failed: certificate has expired", "has expired"),
        ("certificate verify failed: Hostname mismatch, …", "is for another name"),
        (
            "RemoteDisconnected('Remote end closed connection without response')",
            "without an answer",
        ),
        ("Read timed out. (read timeout=60)", "host.example:8443 does not answer in time."),
        ("something new", "cannot be fetched (something new)"),
    ],
)
def test_a_known_text_is_explained_and_an_unknown_one_shown(text: str, says: str) -> None:
    said, remedy = connection_faults.explained("https://host.example:8443/x", text)
    assert says in said
    assert remedy.endswith(".")


def test_a_password_in_a_url_is_not_shown() -> None:
    said, _ = connection_faults.explained("https://me:secret@host.example/", "Connection refused")
    assert said == "Nobody listens at host.example."
