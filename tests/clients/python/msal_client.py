"""msal's ManagedIdentityClient, as azure-cli and azure-identity use it."""

import calls
import msal
import requests


class Refused(Exception):
    """What msal returns rather than raises."""


def identity_of(identity):
    if not identity:
        return msal.SystemAssignedManagedIdentity()
    return msal.UserAssignedManagedIdentity(**{identity["kind"]: identity["value"]})


def make(request):
    client = msal.ManagedIdentityClient(
        identity_of(request["identity"]), http_client=requests.Session()
    )

    def get():
        answer = client.acquire_token_for_client(resource=request["resource"])
        if "access_token" not in answer:
            raise Refused(f"{answer.get('error')}: {answer.get('error_description')}")
        return {"token": answer["access_token"]}

    return get


if __name__ == "__main__":
    calls.run(make)
