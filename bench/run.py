"""``make bench``: every benchmark but the long one, one after the other; tables in Markdown."""

import os
import sys

import cold
import hanging
import init
import limited
import servers
import size
import speed


def main() -> int:
    """Run everything; 1 where a tool is missing."""
    if lacking := servers.missing():
        print(f"Nothing was measured: {lacking}.", file=sys.stderr)
        return 1
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    for benchmark in (speed, size, cold, hanging, limited, init):
        benchmark.report()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
