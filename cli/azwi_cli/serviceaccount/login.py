"""Logs in to Azure by azure-identity, as the flags say; knows tenant and subscription.

Nothing is asked before it is needed: a phase that touches the cluster alone needs no login.
"""

import functools
import json
import logging
import re
import subprocess
import urllib.error
import urllib.request
from typing import Any

from azwi_cli import errors, files, output
from azwi_cli.serviceaccount import azure, options, refusals
from azwi_cli.serviceaccount.cloud import Cloud, custom, named

_AZ_TIMEOUT = 60  # seconds: az is slow to start, and may renew its own token first


def cloud_of(auth: options.Auth) -> Cloud:
    """The cloud that the flags name."""
    if auth.azure_env_file is None:
        return named(auth.azure_env)
    content = files.read(auth.azure_env_file, "the description of a cloud")
    is_default = auth.azure_env == options.Auth.azure_env
    return custom(content, str(auth.azure_env_file), "" if is_default else auth.azure_env)


class Login:
    """An identity in one cloud."""

    def __init__(self, auth: options.Auth) -> None:
        _check("tenant", auth.tenant_id)
        _check("subscription", auth.subscription_id)
        self._auth = auth
        self.cloud = cloud_of(auth)

    @functools.cached_property
    def tenant_id(self) -> str:
        """Given, or the Azure CLI's, or that of the subscription."""
        if self._auth.tenant_id:
            return self._auth.tenant_id
        if self._auth.auth_method is options.AuthMethod.CLI:
            return str(self._az_account["tenantId"])
        if self._auth.subscription_id:
            return _tenant_of(self.cloud.arm, self._auth.subscription_id)
        raise errors.BadInput("The tenant is not known.", "Add --tenant-id or --subscription-id.")

    @functools.cached_property
    def subscription_id(self) -> str:
        """Given, or the one that the Azure CLI has selected."""
        if self._auth.subscription_id:
            return self._auth.subscription_id
        if self._auth.auth_method is options.AuthMethod.CLI:
            return str(self._az_account["id"])
        raise errors.BadInput("The subscription is not known.", "Add --subscription-id.")

    @property
    def has_subscription(self) -> bool:
        """Whether a subscription can be named without a question to the user."""
        by_cli = self._auth.auth_method is options.AuthMethod.CLI
        return bool(self._auth.subscription_id) or by_cli

    @functools.cached_property
    def credential(self) -> Any:
        """A TokenCredential of azure-identity."""
        # Its own warnings repeat what our sentences say.
        logging.getLogger("azure").setLevel(logging.CRITICAL)
        method, given = self._auth.auth_method, self._given()
        if method is options.AuthMethod.SECRET:
            return self._by_secret(given)
        if method is options.AuthMethod.CERTIFICATE:
            return self._by_certificate(given)
        if method is options.AuthMethod.WORKLOAD:
            return self._by_workload(given)
        return self._by_cli()

    def _given(self) -> dict[str, Any]:
        return {
            **azure.options(),
            "authority": self.cloud.login,
            "disable_instance_discovery": self.cloud.is_custom,
        }

    def _by_cli(self) -> Any:
        from azure.identity import AzureCliCredential

        tenant, subscription = self._auth.tenant_id, self._auth.subscription_id
        # az takes one of the two; with neither it logs in to the tenant that it has selected.
        where = {"tenant_id": tenant} if tenant else {"subscription": subscription}
        return AzureCliCredential(**where, process_timeout=_AZ_TIMEOUT)

    def _by_secret(self, given: dict[str, Any]) -> Any:
        from azure.identity import ClientSecretCredential

        secret = self._auth.client_secret
        if self._auth.client_secret_file:
            content = files.read(self._auth.client_secret_file, "a client secret")
            secret = content.decode(errors="replace").strip()
        if not secret:
            raise errors.BadInput(
                "The client secret is missing.", "Set AZURE_CLIENT_SECRET or --client-secret-file."
            )
        return ClientSecretCredential(self.tenant_id, self._client_id(), secret, **given)

    def _by_certificate(self, given: dict[str, Any]) -> Any:
        from azure.identity import CertificateCredential

        if self._auth.certificate_path is None:
            raise errors.BadInput("The certificate is missing.", "Add --certificate-path.")
        pem = files.read(self._auth.certificate_path, "a certificate in PEM form")
        if self._auth.private_key_path:
            pem += b"\n" + files.read(self._auth.private_key_path, "a private key in PEM form")
        try:
            return CertificateCredential(
                self.tenant_id, self._client_id(), certificate_data=pem, **given
            )
        except (ValueError, TypeError):
            # Not `from error`: its text may quote the file.
            raise errors.BadInput(
                f"{self._auth.certificate_path} does not hold an RSA certificate and its private"
                " key in PEM form.",
                "Give the key in the same file or with --private-key-path, without a password.",
            ) from None

    def _by_workload(self, given: dict[str, Any]) -> Any:
        from azure.identity import WorkloadIdentityCredential

        try:
            return WorkloadIdentityCredential(
                tenant_id=self.tenant_id, client_id=self._auth.client_id, **given
            )
        except ValueError as error:
            raise errors.BadInput(
                "This is no pod with a workload identity: a variable is missing.",
                "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE must be set.",
            ) from error

    def _client_id(self) -> str:
        if not self._auth.client_id:
            raise errors.BadInput("The client id is missing.", "Add --client-id.")
        return self._auth.client_id

    @functools.cached_property
    def _az_account(self) -> dict[str, Any]:
        given = self._auth.subscription_id
        command = ["az", "account", "show", "--output", "json"]
        command += ["--subscription", given] if given else []
        output.debug(" ".join(command))
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                timeout=_AZ_TIMEOUT,
                check=True,
            )
            found: dict[str, Any] = json.loads(ended.stdout)
        except FileNotFoundError as error:
            raise refusals.no_credential("the Azure CLI (az) is not installed") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace")
            raise refusals.no_credential(said or "az login has not been run") from error
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise refusals.no_credential("az login: 'az account show' gives no answer") from error
        return found


def _check(what: str, given: str | None) -> None:
    """Raise BadInput for what azure-identity and az refuse by an error of their own."""
    if given and not re.fullmatch("[0-9A-Za-z.-]+", given):
        raise errors.BadInput(f"{given!r} is no {what}.", f"Correct --{what}-id.")


def _tenant_of(arm: str, subscription_id: str) -> str:
    """The tenant that ARM tells whoever asks for a subscription without a token."""
    url = f"{arm}/subscriptions/{subscription_id}?api-version=2022-12-01"
    challenge = ""
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except urllib.error.HTTPError as error:
        with error:
            challenge = error.headers.get("WWW-Authenticate", "")
    except OSError as error:
        output.debug(f"{url}: {error}")
    found = re.search(r'authorization_uri="https://[^"/]+/([0-9a-fA-F-]{36})"', challenge)
    if not found:
        raise errors.BadInput(
            f"The tenant of subscription {subscription_id} is not known.", "Add --tenant-id."
        )
    return found[1]
