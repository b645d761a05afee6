"""A token from the store, beside a bare server that answers as many bytes: rounds in turn."""

import statistics

import servers
from servers import Round

ROUNDS = 5
SECONDS = 3
FIELDS = (
    ("requests/s", "per_second", ",.0f"),
    ("p99, ms", "p99_ms", ".2f"),
    ("CPU for each, µs", "cpu_us", ".0f"),
)


def report() -> None:
    """Print the table."""
    with servers.emulator() as announced, servers.proxy(announced) as (ours, port):
        length = len(servers.ask(servers.url(port)))
        print(f"| token from the store, {length} bytes | bare | azwi-proxy | ratio |")
        print("|---|---|---|---|")
        with servers.bare(length) as (bare, bare_port):
            for connections in (1, 16, 64):
                rounds = [
                    (
                        servers.wrk(bare.pid, bare_port, connections, SECONDS),
                        servers.wrk(ours.pid, port, connections, SECONDS),
                    )
                    for _ in range(ROUNDS)
                ]
                _print(rounds, connections)


def _print(rounds: list[tuple[Round, Round]], connections: int) -> None:
    for name, field, form in FIELDS:
        pairs = [(getattr(a, field), getattr(b, field)) for a, b in rounds]
        theirs = statistics.median(a for a, _ in pairs)
        ours = statistics.median(b for _, b in pairs)
        ratio = statistics.median(b / a for a, b in pairs)
        print(
            f"| {name}, {connections} connections | {theirs:{form}} | {ours:{form}} | {ratio:.2f} |"
        )
