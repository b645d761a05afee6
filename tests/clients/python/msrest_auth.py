"""msrestazure's MSIAuthentication, behind Azure's older management libraries."""

import warnings

import calls
from msrestazure.azure_active_directory import MSIAuthentication

NAMES = {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_res_id"}


def make(request):
    identity = request["identity"]
    wanted = {NAMES[identity["kind"]]: identity["value"]} if identity else {}

    def get():
        # It asks in its constructor, and again whenever set_token is called.
        return {
            "token": MSIAuthentication(resource=request["resource"], **wanted).token["access_token"]
        }

    return get


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    calls.run(make)
