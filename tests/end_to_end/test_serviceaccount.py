"""Nothing exists; azwi sets it up; a pod gets its token; azwi takes it down; it gets none."""

from pathlib import Path

import pytest

from azwi_commands.world import furnished
from azwi_emulator.messages import ServiceAccountTokenRequest
from azwi_testing import Emulator, StartProxy
from azwi_testing.accounts import AccountsServer

CART = ("--service-account-namespace", "shop", "--service-account-name", "cart")
IDENTITY = ("--identity-name", "cart", "--identity-resource-group", "azwi")


@pytest.mark.parametrize("target", [(), IDENTITY], ids=["application", "identity"])
def test_what_azwi_makes_gives_a_pod_its_token_until_azwi_deletes_it(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path, target: tuple[str, ...]
) -> None:
    with AccountsServer(emulator.announced["issuer"], emulator.control) as cluster:
        world = furnished(emulator, cluster, tmp_path, lambda: ("", ""))
        world.process("create", *CART, *target, "--wait")
        metadata = world.account()
        assert metadata is not None
        annotations = metadata["annotations"]
        token_file = tmp_path / "token"
        cart = ServiceAccountTokenRequest(namespace="shop", name="cart")
        token_file.write_text(emulator.control.service_account_token(cart))
        proxy = start_proxy(
            {
                **emulator.environment,
                "AZURE_CLIENT_ID": annotations["azure.workload.identity/client-id"],
                "AZURE_TENANT_ID": annotations["azure.workload.identity/tenant-id"],
                "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
            }
        )
        assert proxy.token().status == 200
        world.process("delete", *CART, *target, "--yes")
        refused = proxy.token("https://storage.azure.com/")
        assert refused.status == 401
        assert "AADSTS700016" in refused.json["error_description"]
