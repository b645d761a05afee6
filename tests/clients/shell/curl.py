"""curl, as scripts on a VM call it; ``argv[2]`` names the style.

The last two are what becomes of such a script where there is no redirect: ``host`` with the address
in a variable, ``app-service`` with the protocol of App Service.
"""

import json
import os
import subprocess
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
import calls

HOST = "http://169.254.169.254"
PATH = "/metadata/identity/oauth2/token"
METADATA = ["-H", "Metadata: true"]
NAMES = {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_res_id"}


class Refused(Exception):
    """The answer's body, as the user of a script sees it."""


def arguments(style, resource, identity):
    """What follows ``curl``."""
    named = f"&{NAMES[identity['kind']]}={identity['value']}" if identity else ""
    text = resource if style == "raw" else quote(resource, safe="")
    if style == "form":
        return [*METADATA, "-d", f"resource={text}{named}", HOST + PATH]
    if style == "app-service":
        secret, endpoint = (os.environ[name] for name in ("IDENTITY_HEADER", "IDENTITY_ENDPOINT"))
        query = f"api-version=2019-08-01&resource={text}{named}"
        return ["-H", f"X-IDENTITY-HEADER: {secret}", f"{endpoint}?{query}"]
    host = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", HOST) if style == "host" else HOST
    version = "" if style == "no-version" else "api-version=2018-02-01&"
    return [*METADATA, f"{host}{PATH}?{version}resource={text}{named}"]


def make(request):
    def get():
        asked = arguments(sys.argv[2], request["resource"], request["identity"])
        command = ["curl", "-sS", "--max-time", "30", *asked]
        body = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "access_token" not in body:
            raise Refused(body)
        return {"token": json.loads(body)["access_token"]}

    return get


if __name__ == "__main__":
    calls.run(make)
