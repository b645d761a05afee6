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


def test_a_setting_of_the_proxy_is_an_annotation_by_the_same_words() -> None:
    assert contract.PROXY_SETTING_ANNOTATIONS["azure.workload.identity/proxy-drain-seconds"] == (
        contract.DRAIN_SECONDS
    )
    assert len(contract.PROXY_SETTING_ANNOTATIONS) == 7


def test_each_bound_of_each_resource_is_an_annotation() -> None:
    places = contract.RESOURCE_ANNOTATIONS
    assert places["azure.workload.identity/proxy-cpu-request"] == ("proxy", "cpu", "requests")
    assert places["azure.workload.identity/proxy-init-memory-limit"] == (
        "proxy-init",
        "memory",
        "limits",
    )
    assert len(places) == 8


def test_all_annotations_are_under_the_prefix() -> None:
    assert all(name.startswith(contract.PREFIX) for name in contract.ALL_ANNOTATIONS)
    assert contract.CLIENT_ID_ANNOTATION not in contract.POD_ANNOTATIONS
