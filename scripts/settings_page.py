"""Writes docs/settings.md from the settings classes (``make docs``). A test keeps it so."""

import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from azwi_common.proxy_settings import Settings as ProxySettings
from azwi_common.settings import Setting, describe
from azwi_emulator.settings import Settings as EmulatorSettings
from azwi_init.settings import Settings as InitSettings
from azwi_webhook.settings import Settings as WebhookSettings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
PROGRAMS: tuple[tuple[str, type[Any]], ...] = (
    ("azwi-proxy", ProxySettings),
    ("azwi-proxy-init", InitSettings),
    ("azwi-webhook", WebhookSettings),
    ("azwi-emulator", EmulatorSettings),
)
INTRODUCTION = """# Settings

Made from the settings classes by `make docs`. Every setting is an environment variable; an empty
one counts as absent. A wrong one ends the program with exit code 2 and a message that names every
problem at once. Flags, where there are any, win over variables.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([INTRODUCTION, *(_section(name, cls) for name, cls in PROGRAMS)])


def _section(name: str, cls: type[Any]) -> str:
    rows = [_row(setting) for setting in describe(cls)]
    head = ["| variable | flag | default | values | meaning |", "|---|---|---|---|---|"]
    return "\n".join([f"## {name}\n", *head, *rows, ""])


def _row(setting: Setting) -> str:
    flag = f"`{setting.env.flag}`" if setting.env.flag else ""
    cells = (f"`{setting.env.name}`", flag, _default(setting), _values(setting.type))
    return "| " + " | ".join((*cells, setting.env.help.replace("|", "\\|"))) + " |"


def _default(setting: Setting) -> str:
    if setting.required:
        return "**required**"
    if setting.default in (None, "", ()):
        return ""
    text = str(setting.default)
    return f"`{text.lower() if isinstance(setting.default, bool) else text}`"


def _values(kind: Any) -> str:
    """The allowed values of a choice, or the name of the type as a word."""
    if get_origin(kind) is types.UnionType:
        kind = next(arg for arg in get_args(kind) if arg is not types.NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return "words"
    words = {
        "NoProxy": "hosts and domains",
        "str": "text",
        "bool": "`true`, `false`",
        "int": "whole number",
    }
    name = kind.__name__
    return words.get(name, "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip())


if __name__ == "__main__":
    PAGE.write_text(page())
