"""The command line az: log in by managed identity, then ask for a token as scripts do."""

import json
import os
import subprocess
import sys

import calls

FLAGS = {"client_id": "--client-id", "object_id": "--object-id", "resource_id": "--resource-id"}


class Failed(Exception):
    """What az wrote to standard error."""


def az(*arguments):
    command = [os.path.join(os.path.dirname(sys.executable), "az"), *arguments, "--output", "json"]
    quiet = {**os.environ, "AZURE_CORE_COLLECT_TELEMETRY": "false", "AZURE_CORE_NO_COLOR": "true"}
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=quiet
    )
    if done.returncode:
        raise Failed(done.stderr.strip())
    return json.loads(done.stdout)


def make(request):
    identity = request["identity"]
    wanted = [FLAGS[identity["kind"]], identity["value"]] if identity else []

    def get():
        az("login", "--identity", "--allow-no-subscriptions", *wanted)
        told = az("account", "get-access-token", "--resource", request["resource"])
        return {"token": told["accessToken"]}

    return get


if __name__ == "__main__":
    calls.run(make)
