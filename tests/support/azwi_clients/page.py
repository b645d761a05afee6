"""docs/clients.md: the table of clients with what a full run saw. Pure but for where it lies."""

from collections.abc import Iterator, Mapping

from azwi_clients import page_told
from azwi_clients.cells import head, kinds, line, seconds
from azwi_clients.plan import TOKENS, TRANSIENT, Client, Run, Scenario, runs_of
from azwi_clients.runs import Outcome
from azwi_clients.table import CLIENTS
from azwi_demo.pod import ROOT

FILE = ROOT / "docs/clients.md"

_TOP = """\
# Clients that were seen to work

Written by `make test-clients`. Every row is a real client, pinned, that ran unchanged as UID 1000
in a pod's network: [redirected](#in-a-redirected-pod), and in
[environment mode](#in-environment-mode), where only variables tell it where to ask. Each scenario
is a process and an identity of its own.

## In a redirected pod

The client asked 169.254.169.254, and the real redirect took it to the proxy. A token counts when
its claims are right, and when two clients, one after the other, made one exchange at Entra ID.

- **identities**: how the client was seen to name one, beside the pod's default identity.
- **first token**: until the first answer, the client's own probes included.
- **refused**: Entra ID says AADSTS70021; until the client gives up. Its error shows our sentence
  with the remedy, where nothing else is said.
- **503**, **429**, **hang**: Entra ID fails once, with `Retry-After: 2` (the hang is cut by the
  proxy after 10 s); until the client has its token by its own retries. *Next call*: it may
  give up sooner, and then the app's next call has it.
"""
_HEAD = ("client", "version", "used", "identities", "first token", "refused", "503", "429", "hang")


def text(outcomes: Mapping[Run, Outcome]) -> str:
    """The whole page."""
    return "".join([_TOP, *_tables(outcomes), page_told.TOP, *page_told.table(outcomes)])


def _tables(outcomes: Mapping[Run, Outcome]) -> Iterator[str]:
    for language in dict.fromkeys(client.language for client in CLIENTS):
        yield f"\n### {language}\n\n{head(_HEAD)}"
        for client in CLIENTS:
            if client.language == language and client.redirected:
                yield line(_row(client, outcomes))


def _row(client: Client, outcomes: Mapping[Run, Outcome]) -> list[str]:
    seen = {run.scenario: outcomes[run] for run in runs_of(client)}
    first = max(seen[scenario].calls[0].seconds for scenario in TOKENS if scenario in seen)
    return [
        client.library,
        client.version,
        client.usage,
        kinds(client.identities),
        seconds(first),
        _refused(client, seen),
        *(_healed(client, seen, scenario) for scenario in TRANSIENT),
    ]


def _refused(client: Client, seen: Mapping[Scenario, Outcome]) -> str:
    took = seconds(seen[Scenario.REFUSED].seconds)
    return took if not client.instead else f"{took}; shows only “{client.instead}”"


def _healed(client: Client, seen: Mapping[Scenario, Outcome], scenario: Scenario) -> str:
    if scenario in client.next_call:
        return "next call"
    return seconds(seen[scenario].calls[0].seconds)
