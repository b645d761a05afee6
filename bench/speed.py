"""A token from the store, beside a bare server that answers as many bytes: rounds in turn."""

import servers

ROUNDS = 5
SECONDS = 3


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
                        servers.for_tokens(bare.pid, bare_port, connections, SECONDS),
                        servers.for_tokens(ours.pid, port, connections, SECONDS),
                    )
                    for _ in range(ROUNDS)
                ]
                servers.compare(rounds, f", {connections} connections")
