"""azure-storage-blob reads one blob, in which the stand-in tells the claims of the token it saw."""

import json

import azure.identity
import calls
from azure.storage.blob import BlobClient
from identity import credential_of


def make(request):
    client = BlobClient.from_blob_url(
        request["blob"], credential=credential_of(request, azure.identity)
    )
    return lambda: {"claims": json.loads(client.download_blob().readall())}


if __name__ == "__main__":
    calls.run(make)
