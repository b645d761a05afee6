"""azure-identity's asynchronous credentials."""

import asyncio

import azure.identity.aio
import calls
from identity import credential_of


def make(request):
    loop = asyncio.new_event_loop()
    credential = credential_of(request, azure.identity.aio)

    async def get():
        return (await credential.get_token(request["resource"] + "/.default")).token

    return lambda: {"token": loop.run_until_complete(get())}


if __name__ == "__main__":
    calls.run(make)
