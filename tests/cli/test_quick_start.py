"""docs/quick-start.md: its commands are run in their order, and print what it shows."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from azwi_commands import azwi
from azwi_commands.world import World, fake_az, furnished
from azwi_testing import Emulator
from azwi_testing.accounts import AccountsServer

PAGE = Path(__file__).parents[2] / "docs/quick-start.md"
CLIENT, SUBSCRIPTION, TENANT = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))


def shown() -> list[tuple[str, str]]:
    """Commands of the page and what it shows below them."""
    blocks = re.findall(r"```console\n\$ (azwi .*?)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [(command, printed) for command, printed in blocks]


def as_on_the_page(text: str, world: World) -> str:
    """With the page's ids in place of the real ones."""
    where = world.where
    text = text.replace(where.issuer, "https://issuer.example/")
    text = text.replace(where.subscription_id, SUBSCRIPTION).replace(where.tenant_id, TENANT)
    guid = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    text = re.sub(
        guid, lambda found: found[0] if found[0] in (SUBSCRIPTION, TENANT) else CLIENT, text
    )
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def test_every_command_prints_what_the_page_shows(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, emulator.announced["caFile"])
    with AccountsServer(emulator.announced["issuer"], emulator.control) as cluster:
        world = furnished(emulator, cluster, tmp_path, lambda: ("", ""))
        path = fake_az(world)
        own = {name: "" for name in world.variables if name.startswith("AZURE_")}  # az has them
        logged_in: Any = {**world.variables, **own, "PATH": path}
        commands = shown()
        assert len(commands) == 5
        for command, printed in commands:
            given = command.replace(SUBSCRIPTION, world.where.subscription_id)
            ran = azwi(*shlex.split(given)[1:], **logged_in)
            assert as_on_the_page(ran.out + ran.err, world) == printed, command
