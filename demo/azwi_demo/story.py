"""What the demo shows, step by step; each step runs the real thing and prints what it did.

READ FIRST: `tell` is the whole story. With a pod, the redirect is real; without one (no root, no
user namespaces, macOS) the same programs run, and the app is told the proxy's address instead.
``environment`` tells the other one.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azwi_common import contract
from azwi_demo import node_imds, voice
from azwi_demo.pod import ROOT, Pod, program
from azwi_demo.stage import Stage, StepFailed, line, retry, stage

TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
INSTANCE = "/metadata/instance?api-version=2021-02-01"
IMDS = f"http://{contract.DEFAULT_METADATA_IP}"


def tell(pod: Pod | None) -> None:
    """The story; raises StepFailed where it does not go as told."""
    with stage(pod) as on:
        if pod:
            _open_up(pod)
            _before(on)
        announced = entra(on)
        if pod:
            _redirect(pod)
        proxy(on, announced)
        _curl(on)
        told = {} if pod else {contract.POD_IDENTITY_AUTHORITY_HOST: f"http://127.0.0.1:{on.port}"}
        app(on, announced, **told)
        if pod:
            _guarded(on)
        voice.done()


def _open_up(pod: Pod) -> None:
    needed = sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
    said = pod.run(
        program("azwi_demo.readable", *map(str, needed)), env={"PYTHONPATH": str(ROOT / "demo")}
    )
    for sentence in said.stdout.splitlines():
        voice.note(sentence)


def _before(on: Stage) -> None:
    voice.step(
        "A pod's network, with the node's metadata service in reach: without us, this answers"
    )
    on.start(program("azwi_demo.node_imds", contract.DEFAULT_METADATA_IP, "80"), "node")
    answer = retry(lambda: on.run(["curl", "-sS", "-H", "Metadata: true", IMDS + TOKEN]))
    if json.loads(answer)["access_token"] != node_imds.NODE_TOKEN:
        raise StepFailed(f"the node's stand-in answered {answer}")
    voice.command(f"curl -H 'Metadata: true' '{IMDS}{TOKEN}'")
    voice.shown(answer)


def entra(on: Stage) -> Mapping[str, Any]:
    """Start the emulator; what it announces."""
    voice.step(
        "An embedded Entra ID with a federated credential, and the pod's service account token"
    )
    out = on.start(
        program("azwi_emulator", "--json", "--port=0", f"--data-dir={on.folder}"), "emulator"
    )
    announced: dict[str, Any] = json.loads(retry(lambda: line(out)))
    voice.shown(f"{contract.AUTHORITY_HOST}={announced['authorityHost']}")
    voice.shown(f"subject of the service account token: {announced['subject']}")
    return announced


def _redirect(pod: Pod) -> None:
    voice.step(
        "azwi-proxy-init, with NET_ADMIN alone, redirects the metadata address and proves it"
    )
    pod.run(program("azwi_init", "--outside-kubernetes"), capabilities=["net_admin"])
    rules = pod.run(["nft", "list", "table", "ip", "azwi"]).stdout
    for rule in rules.splitlines():
        if "redirect" in rule or "skuid" in rule:
            voice.shown(rule.strip())


def proxy(on: Stage, announced: Mapping[str, Any], **more: str) -> None:
    """Start the proxy, with ``more`` in its environment, and wait until it is ready."""
    uid = contract.DEFAULT_PROXY_UID
    who = f"as UID {uid} without any capability" if on.pod else "as this user"
    voice.step(f"azwi-proxy {who}")
    on.start(
        program("azwi_proxy", f"--proxy-port={on.port}"),
        "proxy",
        uid=uid,
        AZURE_AUTHORITY_HOST=announced["authorityHost"],
        AZURE_TENANT_ID=announced["tenantId"],
        AZURE_CLIENT_ID=announced["clientId"],
        AZURE_FEDERATED_TOKEN_FILE=announced["tokenFile"],
        SSL_CERT_FILE=announced["caFile"],
        **more,
    )
    started = time.monotonic()
    on.run(program("azwi_proxy", "--probe", f"--proxy-port={on.port}"))
    voice.shown(f"ready after {time.monotonic() - started:.1f} s")


def _curl(on: Stage) -> None:
    voice.step("curl asks as any script on a VM does")
    base = IMDS if on.pod else f"http://127.0.0.1:{on.port}"
    timing = "\n%{time_total}"
    argv = ["curl", "-sS", "-H", "Metadata: true", "-w", timing, base + TOKEN]
    (first, cold), (second, warm) = (on.run(argv).split("\n") for _ in range(2))
    answer = json.loads(first)
    if json.loads(second)["access_token"] != answer["access_token"]:
        raise StepFailed("the second answer should come from the proxy's store")
    voice.command(f"curl -H 'Metadata: true' '{base}{TOKEN}'")
    voice.shown(first.replace(answer["access_token"], answer["access_token"][:20] + "…"))
    voice.shown(f"first answer {float(cold) * 1000:.0f} ms, the next {float(warm) * 1000:.1f} ms")


def app(on: Stage, announced: Mapping[str, Any], **told: str) -> None:
    """Run the unchanged app, with ``told`` in its environment, and show its token's first use."""
    voice.step("an app with azure-identity's ManagedIdentityCredential, unchanged, uses its token")
    env = {
        "WHOAMI": announced["authorityHost"] + "whoami",
        "WHOAMI_CA": announced["caFile"],
        **told,
    }
    claims = json.loads(on.run(program("azwi_demo.unchanged_app"), **env))
    if claims.get("appid") != announced["clientId"]:
        raise StepFailed(f"the service saw other claims: {claims}")
    voice.shown("the service verified the token; its claims:")
    for name in ("iss", "aud", "appid", "tid", "exp"):
        voice.shown(f"  {name}: {claims[name]}")


def _guarded(on: Stage) -> None:
    voice.step("What is not a token request passes on to the node; its identity does not")
    instance = on.run(["curl", "-sS", "-H", "Metadata: true", IMDS + INSTANCE])
    voice.command(f"curl -H 'Metadata: true' '{IMDS}{INSTANCE}'")
    voice.shown(instance)
    odd = f"{IMDS}/metadata/instance/..%5cidentity/%6fauth2/token2"
    answer = on.run(["curl", "-sS", "--path-as-is", "-H", "Metadata: true", odd])
    voice.command(f"curl --path-as-is -H 'Metadata: true' '{odd}'")
    voice.shown(answer)
    if node_imds.NODE_TOKEN in answer:
        raise StepFailed("the node's identity leaked")
