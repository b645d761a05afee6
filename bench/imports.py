"""The memory floor: a process that imports what the proxy imports, and does nothing."""

import sys

import aiohttp.web
import msal
import prometheus_client
import uvloop

__all__ = ("aiohttp", "msal", "prometheus_client", "uvloop")

if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.read()
