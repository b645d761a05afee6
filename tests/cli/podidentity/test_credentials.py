"""Commands for federated credentials: what az is given, what Terraform reads."""

import os
import re
import subprocess
from pathlib import Path

from azwi_cli.podidentity import credentials
from azwi_cli.podidentity.facts import Identity
from azwi_cli.podidentity.plan import Credential
from azwi_testing.podidentity import CLIENT, RESOURCE_ID

ISSUER = "https://issuer.example/it's"


def credential(account: str = "cart", namespace: str = "shop") -> Credential:
    resource_id = (RESOURCE_ID + "cart").replace("resourceGroups", "resourcegroups")
    identity = Identity("shop", "cart", 0, CLIENT, resource_id, False)
    return Credential(identity, namespace, account)


def called(script: str, folder: Path, **environment: str) -> tuple[int, list[str], str]:
    """Run a script whose az prints its arguments; exit code, what az was given, errors."""
    az = folder / "az"
    az.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    az.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": path, **environment},
        timeout=20,
    )
    return ended.returncode, ended.stdout.splitlines(), ended.stderr


def test_the_script_gives_az_what_it_wants(tmp_path: Path) -> None:
    code, given, _ = called(credentials.az_script([credential()], ISSUER), tmp_path)
    assert code == 0
    assert given[:3] == ["identity", "federated-credential", "create"]
    flags = dict(zip(given[3::2], given[4::2], strict=True))
    assert flags == {
        "--subscription": "00000000-0000-4000-8000-000000000000",
        "--resource-group": "shop",
        "--identity-name": "cart",
        "--name": f"shop-cart-{credentials.suffix(ISSUER)}",
        "--issuer": ISSUER,
        "--subject": "system:serviceaccount:shop:cart",
        "--audiences": "api://AzureADTokenExchange",
    }


def test_without_an_issuer_the_script_asks_for_it(tmp_path: Path) -> None:
    script = credentials.az_script([credential()], "")
    code, given, says = called(script, tmp_path)
    assert (code, given) == (2, [])
    assert "azwi oidc issuer" in says
    code, given, _ = called(script, tmp_path, ISSUER=ISSUER)
    assert f"shop-cart-{credentials.suffix(ISSUER)}" in given


def test_names_are_such_as_azure_takes_and_differ_by_cluster() -> None:
    allowed = re.compile(r"[A-Za-z0-9][\w-]{2,119}")
    long = credential("a" * 100 + "." + "b" * 100)
    for one in (credential(), long, credential("with.dot")):
        assert allowed.fullmatch(f"{credentials.stem(one)}-{credentials.suffix(ISSUER)}")
    assert credentials.stem(long) != credentials.stem(credential("a" * 100 + "." + "c" * 100))
    assert credentials.suffix("https://a") != credentials.suffix("https://b")


def test_terraform_gets_resource_ids_in_the_case_that_its_provider_insists_on() -> None:
    made = credentials.terraform([credential()], ISSUER)
    assert f'parent_id           = "{RESOURCE_ID}cart"' in made
    assert 'resource "azurerm_federated_identity_credential" "w_shop_cart_cart"' in made
    assert 'default     = "https://issuer.example/it\'s"' in made
    assert "default" not in credentials.terraform([], "")
