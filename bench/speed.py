"""A token from the store, beside a bare server that answers as many bytes: rounds in turn."""

import itertools

import servers

ROUNDS = 5
SECONDS = 3
UNREAD = ("x-ms-client-request-id", "tracestate", "x-of-nobody")


def report() -> None:
    """Print the table."""
    with servers.emulator() as announced, servers.proxy(announced) as (ours, port):
        length = len(servers.ask(servers.url(port)))
        print(f"| token from the store, {length} bytes | bare | azwi-proxy | ratio |")
        print("|---|---|---|---|")
        with servers.bare(length) as (bare, bare_port):
            for own_id, connections in itertools.product((False, True), (1, 16, 64)):
                rounds = [
                    (
                        servers.for_tokens(
                            bare.pid, bare_port, connections, SECONDS, own_id=own_id
                        ),
                        servers.for_tokens(ours.pid, port, connections, SECONDS, own_id=own_id),
                    )
                    for _ in range(ROUNDS)
                ]
                suffix = ", own IDs" if own_id else ""
                servers.compare(rounds, f", {connections} connections{suffix}")
        _unread(ours.pid, port)


def _unread(pid: int, port: int) -> None:
    """A header that nobody reads: what another value each time costs beside the same value."""
    print("\n| header that nobody reads, 16 connections | same value | another each time | ratio |")
    print("|---|---|---|---|")
    for name in UNREAD:
        rounds = [
            (
                servers.with_header(pid, port, 16, SECONDS, name, "same"),
                servers.with_header(pid, port, 16, SECONDS, name, "new"),
            )
            for _ in range(ROUNDS)
        ]
        servers.compare(rounds, f", {name}")
