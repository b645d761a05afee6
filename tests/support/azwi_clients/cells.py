"""How docs/clients.md writes its tables. Pure."""

from collections.abc import Iterable, Sequence

from azwi_clients.plan import Kind

_STEPS = (1, 5, 15, 30, 120)
_SHORT = {"client_id": "client id", "object_id": "object id", "resource_id": "resource id"}


def head(names: Sequence[str]) -> str:
    """The first two lines of a table."""
    return line(names) + line(["---"] * len(names))


def line(cells: Iterable[str]) -> str:
    """One row."""
    return f"| {' | '.join(cells)} |\n"


def kinds(named: Iterable[Kind]) -> str:
    """How an identity is named, in words."""
    return ", ".join(_SHORT[kind] for kind in named)


def seconds(value: float) -> str:
    """In coarse steps: finer ones would differ from run to run."""
    return f"< {next(step for step in _STEPS if value < step)} s"
