"""Writes the plain YAML of manifests/deploy/ from the chart (``make manifests``).

Two files, since the webhook configuration is applied last and deleted first. A test keeps it so.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLAIN = ROOT / "manifests/deploy/azwi-webhook.yaml"
CONFIGURATION = ROOT / "manifests/deploy/azwi-webhook-configuration.yaml"
NAMESPACE = "azwi-sidecar-system"
# No tenant, registry or tag: whoever applies it says which.
VALUES = {
    "azureTenantID": "${AZURE_TENANT_ID}",
    "image.repository": "${AZWI_IMAGES}/azwi-webhook",
    "image.tag": "${AZWI_TAG}",
    "namespace.create": "true",
}
INTRODUCTION = """\
# The webhook without Helm. Made from manifests/chart by "make manifests": change it there.
#
# Apply (images of "make images PUSH=$AZWI_IMAGES"):
#   export AZURE_TENANT_ID=… AZWI_IMAGES=… AZWI_TAG=…
#   envsubst '$AZURE_TENANT_ID $AZWI_IMAGES $AZWI_TAG' <azwi-webhook.yaml | kubectl apply -f -
#   kubectl -n azwi-sidecar-system rollout status deployment/azwi-sidecar-webhook
#   kubectl apply -f azwi-webhook-configuration.yaml
# Delete, in this order:
#   kubectl delete -f azwi-webhook-configuration.yaml
#   kubectl delete -f azwi-webhook.yaml
"""
LAST = """\
# The last part of the webhook without Helm: apply it once azwi-webhook.yaml runs, and delete it
# first. While it is there and no replica answers, pods that opted in are refused.
# Made from manifests/chart by "make manifests": change it there.
"""


def rendered(helm: str | Path) -> dict[Path, str]:
    """What the chart renders, by file; each can be applied and deleted from top to bottom."""
    settings = [argument for pair in VALUES.items() for argument in ("--set", "=".join(pair))]
    command = [str(helm), "template", "azwi-sidecar", str(ROOT / "manifests/chart")]
    # The schema knows no ${…}; hooks are Helm's alone.
    options = ["--namespace", NAMESPACE, "--no-hooks", "--skip-schema-validation"]
    done = subprocess.run([*command, *options, *settings], check=True, capture_output=True)
    text = re.sub(r"^# Source: .*\n", "", done.stdout.decode(), flags=re.MULTILINE)
    parts = [part.strip() for part in re.split(r"^---$", text, flags=re.MULTILINE) if part.strip()]
    found: dict[Path, str] = {PLAIN: INTRODUCTION, CONFIGURATION: LAST}
    for part in parts:
        is_last = "\nkind: MutatingWebhookConfiguration\n" in part
        found[CONFIGURATION if is_last else PLAIN] += f"---\n{part}\n"
    return found


def helm() -> str:
    """The Helm that tests use, built where it is missing."""
    command = [str(ROOT / "tests/manifests/tools.sh"), "helm3"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    PLAIN.parent.mkdir(exist_ok=True)
    for file, text in rendered(helm()).items():
        file.write_text(text)
