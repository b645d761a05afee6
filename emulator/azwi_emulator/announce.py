"""What a started emulator tells the person at the terminal. Pure."""

import shlex
from collections.abc import Mapping

from azwi_common import contract
from azwi_emulator.federation import ASSERTION_TYPE
from azwi_emulator.messages import Announcement


def text(where: Announcement) -> str:
    """Shell commands that point a client at the emulator; the rest stands in comments."""
    lines = [
        "# The last two make this shell trust the emulator's CA, and no public one.",
        *_exports(variables(where)),
        "",
        "# Try it:",
        _try_it(where),
    ]
    if where.token_proxy_url:
        proxied = _exports(token_proxy_variables(where))
        lines += ["", "# Through the AKS token proxy:", *(f"# {line}" for line in proxied)]
    lines += [
        "",
        f"# Microsoft Graph: {where.graph_url}, ARM: {where.arm_url} (subscription"
        f" {where.subscription_id}, resource group {where.resource_group})",
    ]
    if where.control_url:
        lines += ["", f"# Steer it (faults, registrations, requests seen): {where.control_url}/"]
    return "\n".join([*lines, "", "# Running until it is stopped (Ctrl-C)."])


def variables(where: Announcement) -> dict[str, str]:
    """What a workload identity client reads, as the webhook sets it, and trust in the CA."""
    return {
        contract.AUTHORITY_HOST: where.authority_host,
        contract.TENANT_ID: where.tenant_id,
        contract.CLIENT_ID: where.client_id,
        contract.FEDERATED_TOKEN_FILE: where.token_file,
        contract.SSL_CERT_FILE: where.ca_file,
        contract.REQUESTS_CA_BUNDLE: where.ca_file,  # requests, and so msal, reads only this one
    }


def token_proxy_variables(where: Announcement) -> dict[str, str]:
    """What changes for a client that goes through the token proxy; empty where there is none."""
    values = {
        contract.KUBERNETES_TOKEN_PROXY: where.token_proxy_url,
        contract.KUBERNETES_SNI_NAME: where.token_proxy_sni_name,
        contract.KUBERNETES_CA_FILE: where.token_proxy_ca_file,
        contract.FEDERATED_TOKEN_FILE: where.token_proxy_token_file,
    }
    return {name: value for name, value in values.items() if value is not None}


def _exports(values: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in values.items()]


def _try_it(where: Announcement) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": where.client_id,
        "scope": "https://vault.azure.net/.default",
        "client_assertion_type": ASSERTION_TYPE,
    }
    words = ["curl", "-sS", "--cacert", where.ca_file]
    for name, value in form.items():
        words += ["-d", f"{name}={value}"]
    words += ["--data-urlencode", f"client_assertion@{where.token_file}"]
    return shlex.join([*words, f"{where.authority_host}{where.tenant_id}/oauth2/v2.0/token"])
