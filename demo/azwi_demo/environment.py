"""The story of environment mode: no root, no namespace, no redirect; variables say where to ask.

READ FIRST: `tell`. Its steps are `story`'s where nothing differs.
"""

import json
import re
import secrets
from collections.abc import Mapping

from azwi_common import contract
from azwi_demo import story, voice
from azwi_demo.stage import Stage, StepFailed, stage

QUERY = "api-version=2019-08-01&resource=https://vault.azure.net"
_SHOWN = f'curl -H "X-IDENTITY-HEADER: {{header}}" "${contract.IDENTITY_ENDPOINT}?{QUERY}"'
_COUNTER = re.compile(
    r'^azwi_proxy_requests_total\{reason="\w+",route="appservice",status="(\d+)"\} (\d+)', re.M
)


def tell() -> None:
    """The story; raises StepFailed where it does not go as told."""
    with stage(None) as on:
        announced = story.entra(on)
        told = _variables(on)
        story.proxy(on, announced, **{contract.IDENTITY_HEADER: told[contract.IDENTITY_HEADER]})
        _told(told)
        _curl(on, told)
        _refused(on, told)
        story.app(on, announced, **told)
        _counted(on)
        voice.done()


def _variables(on: Stage) -> Mapping[str, str]:
    base, secret = f"http://127.0.0.1:{on.port}", secrets.token_hex(16)
    return {
        contract.POD_IDENTITY_AUTHORITY_HOST: base,
        contract.AZURE_MSI_ENDPOINT: base + contract.TOKEN_PATH,
        contract.IDENTITY_ENDPOINT: base + contract.MSI_PATH,
        contract.IDENTITY_HEADER: secret,
        contract.MSI_ENDPOINT: base + contract.MSI_PATH,
        contract.MSI_SECRET: secret,
    }


def _told(told: Mapping[str, str]) -> None:
    voice.step("The variables that the webhook sets in the app's container: all it is ever told")
    for name, value in told.items():
        secret = name in (contract.IDENTITY_HEADER, contract.MSI_SECRET)
        voice.shown(f"{name}={'(random, another one in each pod)' if secret else value}")


def _curl(on: Stage, told: Mapping[str, str]) -> None:
    voice.step("curl asks by App Service's protocol, as SDKs do that find these variables")
    answer = _ask(on, told, told[contract.IDENTITY_HEADER])
    voice.command(_SHOWN.format(header=f"${contract.IDENTITY_HEADER}"))
    try:
        token = json.loads(answer)["access_token"]
    except (ValueError, KeyError) as error:
        raise StepFailed(f"no token came, but: {answer}") from error
    voice.shown(answer.replace(token, token[:20] + "…"))


def _refused(on: Stage, told: Mapping[str, str]) -> None:
    voice.step("Who does not know the pod's IDENTITY_HEADER gets nothing")
    answer = _ask(on, told, "a-wrong-value")
    voice.command(_SHOWN.format(header="a-wrong-value"))
    voice.shown(answer)
    if json.loads(answer).get("statusCode") != 401:
        raise StepFailed("a wrong header should be refused with 401")


def _counted(on: Stage) -> None:
    voice.step("The proxy counted them: what was answered, and what was refused")
    metrics = on.run(["curl", "-sS", f"http://127.0.0.1:{on.port}/metrics"])
    counted = {status: int(number) for status, number in _COUNTER.findall(metrics)}
    for status, number in sorted(counted.items()):
        voice.shown(f"{contract.MSI_PATH}, status {status}: {number}")
    if counted != {"200": 2, "401": 1}:
        raise StepFailed("curl and the app should have asked once each, beside the wrong header")


def _ask(on: Stage, told: Mapping[str, str], header: str) -> str:
    url = f"{told[contract.IDENTITY_ENDPOINT]}?{QUERY}"
    return on.run(["curl", "-sS", "-H", f"X-IDENTITY-HEADER: {header}", url])
