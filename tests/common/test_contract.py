"""Names that today's pods and charts rely on."""

from azwi_common import contract


def test_names_of_the_workload_identity_webhook_are_kept_to_the_letter() -> None:
    assert contract.CLIENT_ID == "AZURE_CLIENT_ID"
    assert contract.FEDERATED_TOKEN_FILE == "AZURE_FEDERATED_TOKEN_FILE"
    assert contract.TOKEN_FILE == "/var/run/secrets/azure/tokens/azure-identity-token"
    assert (contract.DEFAULT_PROXY_PORT, contract.DEFAULT_PROXY_UID) == (8000, 1501)


def test_our_own_variables_share_a_prefix() -> None:
    ours = {"IDENTITIES", "FORWARD", "PREFETCH", "DRAIN_SECONDS", "METRICS_PORT", "LOG_LEVEL"}
    assert all(getattr(contract, name).startswith("AZWI_") for name in ours)
