"""An app as it was written for a VM: it asks for its managed identity's token, and knows no more.

Prints the token's first use: what a protected service at WHOAMI (an URL) says of its bearer.
"""

import json
import os
import ssl
import urllib.request

from azure.identity import ManagedIdentityCredential

RESOURCE = "https://vault.azure.net"


def main() -> None:
    """Get a token, call the service with it."""
    token = ManagedIdentityCredential().get_token(f"{RESOURCE}/.default").token
    request = urllib.request.Request(
        f"{os.environ['WHOAMI']}?audience={RESOURCE}", headers={"Authorization": f"Bearer {token}"}
    )
    trust = ssl.create_default_context(cafile=os.environ["WHOAMI_CA"])
    with urllib.request.urlopen(request, context=trust, timeout=10) as answer:
        print(json.dumps(json.load(answer)))


if __name__ == "__main__":
    main()
