"""How values of flags are read."""

import pytest

from azwi_cli import errors
from azwi_cli.podidentity import chosen


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h", 3600),
        ("1h0m0s", 3600),
        ("90m", 5400),
        ("1.5h", 5400),
        ("24h", 86400),
        ("3600s", 3600),
    ],
)
def test_a_lifetime_is_written_as_go_writes_it(text: str, seconds: int) -> None:
    assert chosen.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "1d", "1h 5m", "-1h", "59m", "25h", "1h1"])
def test_any_other_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(errors.BadInput, match=r"Write it as|Choose 1h to 24h"):
        chosen.seconds(text)


def test_a_tenant_is_a_guid_or_a_domain() -> None:
    assert chosen.tenant("") == ""
    assert chosen.tenant("Contoso.example") == "contoso.example"
    with pytest.raises(errors.BadInput, match="--tenant-id must be"):
        chosen.tenant("no tenant")
