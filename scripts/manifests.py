"""Writes manifests/deploy/azwi-webhook.yaml from the chart (``make manifests``).

A test keeps it so.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLAIN = ROOT / "manifests/deploy/azwi-webhook.yaml"
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
#   export AZURE_TENANT_ID=… AZWI_IMAGES=… AZWI_TAG=…   (images of "make images PUSH=$AZWI_IMAGES")
#   envsubst '$AZURE_TENANT_ID $AZWI_IMAGES $AZWI_TAG' <azwi-webhook.yaml | kubectl apply -f -
#
# The webhook configuration stands first, so that "kubectl delete -f" removes it first: without its
# replicas it would refuse every pod that opted in.
"""


def rendered(helm: str | Path) -> str:
    """What the chart renders, as one file that can be applied and deleted from top to bottom."""
    settings = [argument for pair in VALUES.items() for argument in ("--set", "=".join(pair))]
    command = [str(helm), "template", "azwi-sidecar", str(ROOT / "manifests/chart")]
    # The schema knows no ${…}; hooks are Helm's alone.
    options = ["--namespace", NAMESPACE, "--no-hooks", "--skip-schema-validation"]
    done = subprocess.run([*command, *options, *settings], check=True, capture_output=True)
    text = re.sub(r"^# Source: .*\n", "", done.stdout.decode(), flags=re.MULTILINE)
    parts = [part.strip() for part in re.split(r"^---$", text, flags=re.MULTILINE) if part.strip()]
    parts.sort(key=lambda part: "\nkind: MutatingWebhookConfiguration\n" not in part)  # stable
    return INTRODUCTION + "".join(f"---\n{part}\n" for part in parts)


def helm() -> str:
    """The Helm that tests use, built where it is missing."""
    command = [str(ROOT / "tests/manifests/tools.sh"), "helm3"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    PLAIN.parent.mkdir(exist_ok=True)
    PLAIN.write_text(rendered(helm()))
