"""The flags: every one of the Go tool's is taken."""

from typing import Any

import pytest

from azwi_cli import commands

REFERENCE = {
    "create": {
        "--aad-application-name", "--aad-application-client-id", "--aad-application-object-id",
        "--service-principal-name", "--service-principal-object-id", "--service-account-name",
        "--service-account-namespace", "--service-account-issuer-url",
        "--service-account-token-expiration", "--azure-role", "--azure-scope", "--skip-phases",
    },
    "create phase aad-application": {"--aad-application-name"},
    "create phase app": {"--aad-application-name"},
    "create phase service-account": {
        "--aad-application-client-id", "--aad-application-name", "--service-account-name",
        "--service-account-namespace", "--service-account-token-expiration",
    },
    "create phase sa": {"--service-account-name"},
    "create phase federated-identity": {
        "--aad-application-name", "--aad-application-object-id", "--service-account-issuer-url",
        "--service-account-name", "--service-account-namespace",
    },
    "create phase fi": {"--service-account-name"},
    "create phase role-assignment": {
        "--azure-role", "--azure-scope", "--service-principal-name",
        "--service-principal-object-id",
    },
    "create phase ra": {"--azure-role"},
    "delete": {
        "--aad-application-name", "--aad-application-object-id", "--service-account-name",
        "--service-account-namespace", "--service-account-issuer-url", "--role-assignment-id",
        "--skip-phases",
    },
    "delete phase role-assignment": {"--role-assignment-id"},
    "delete phase federated-identity": {
        "--aad-application-name", "--aad-application-object-id", "--service-account-issuer-url",
        "--service-account-name", "--service-account-namespace",
    },
    "delete phase service-account": {"--service-account-name", "--service-account-namespace"},
    "delete phase aad-application": {"--aad-application-name", "--aad-application-object-id"},
}  # fmt: skip
EVERYWHERE = {
    "--auth-method", "--azure-env", "--subscription-id", "-s", "--client-id", "--client-secret",
    "--certificate-path", "--private-key-path", "--debug",
}  # fmt: skip


@pytest.fixture(scope="module")
def group() -> Any:
    (entry,) = [entry for entry in commands.TABLE if entry.name == "serviceaccount"]
    assert entry.aliases == ("sa",)
    return commands.load(entry)


@pytest.mark.parametrize("path", REFERENCE)
def test_every_flag_of_the_go_tool_is_taken(group: Any, path: str) -> None:
    command = group
    for name in path.split():
        command = command.get_command(None, name)
    taken = {option for parameter in command.params for option in parameter.opts}
    assert REFERENCE[path] | EVERYWHERE <= taken
