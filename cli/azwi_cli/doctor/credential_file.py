"""Reads federated credentials as ``az`` prints them."""

import json
from pathlib import Path
from typing import Any

from azwi_cli import errors, files


def read(path: Path) -> list[dict[str, Any]]:
    """The credentials of a file: a list, or an answer of the API with ``value``."""
    try:
        found = json.loads(files.read(path, "federated credentials"))
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        found = found.get("value")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise errors.BadInput(
            f"{path} holds no list of federated credentials.",
            "Write it: az identity federated-credential list --identity-name NAME"
            f" --resource-group GROUP >{path}",
        )
    return found
