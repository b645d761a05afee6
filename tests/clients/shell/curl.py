"""curl, as scripts on a VM call it; ``argv[2]`` names the style."""

import json
import os
import subprocess
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
import calls

TOKEN = "http://169.254.169.254/metadata/identity/oauth2/token"
NAMES = {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_res_id"}


class Refused(Exception):
    """The answer's body, as the user of a script sees it."""


def arguments(style, resource, identity):
    """What follows ``curl -H 'Metadata: true'``."""
    named = f"&{NAMES[identity['kind']]}={identity['value']}" if identity else ""
    if style == "form":
        return ["-d", f"resource={quote(resource, safe='')}{named}", TOKEN]
    version = "" if style == "no-version" else "api-version=2018-02-01&"
    text = resource if style == "raw" else quote(resource, safe="")
    return [f"{TOKEN}?{version}resource={text}{named}"]


def make(request):
    asked = arguments(sys.argv[2], request["resource"], request["identity"])

    def get():
        command = ["curl", "-sS", "--max-time", "30", "-H", "Metadata: true", *asked]
        body = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "access_token" not in body:
            raise Refused(body)
        return {"token": json.loads(body)["access_token"]}

    return get


if __name__ == "__main__":
    calls.run(make)
