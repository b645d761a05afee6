"""azure-identity from 1.5 to the newest, blocking."""

import azure.identity
import calls


def credential_of(request, library):
    """A credential of ``library``: azure.identity, or its aio twin."""
    identity = request["identity"]
    if request["credential"] == "default":
        wanted = {"managed_identity_client_id": identity["value"]} if identity else {}
        return library.DefaultAzureCredential(**wanted)
    if not identity:
        return library.ManagedIdentityCredential()
    kind, value = identity["kind"], identity["value"]
    if kind == "client_id":
        return library.ManagedIdentityCredential(client_id=value)
    if kind == "resource_id" and not _has_names_of_its_own(library):
        kind = "msi_res_id"
    return library.ManagedIdentityCredential(identity_config={kind: value})


def _has_names_of_its_own(library):
    """Whether identity_config takes "resource_id"; otherwise it goes to IMDS as it is.

    The newest has both: blocking, any other name than its own is dropped without a word; aio sends
    every name as it is, and the one that works in its twin means nothing to IMDS.
    """
    return library is azure.identity and azure.identity.__version__ != "1.7.0"


def make(request):
    credential = credential_of(request, azure.identity)
    return lambda: {"token": credential.get_token(request["resource"] + "/.default").token}


if __name__ == "__main__":
    calls.run(make)
