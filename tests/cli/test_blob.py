"""Where an issuer lives in blob storage, and what uploads it."""

import shlex
from pathlib import Path

import pytest

from azwi_cli import blob, errors


@pytest.mark.parametrize(
    ("issuer", "place"),
    [
        ("https://acc.blob.core.windows.net/oidc/", ("acc", "oidc", "")),
        ("https://acc.blob.core.windows.net/oidc", ("acc", "oidc", "")),
        ("https://acc.blob.core.windows.net/oidc/a/b/", ("acc", "oidc", "a/b/")),
        ("https://acc.blob.core.chinacloudapi.cn/oidc/", ("acc", "oidc", "")),
        ("https://acc.blob.core.usgovcloudapi.net/oidc/", ("acc", "oidc", "")),
        ("https://acc.z13.web.core.windows.net/", ("acc", "$web", "")),
        ("https://acc.z13.web.core.windows.net/a/", ("acc", "$web", "a/")),
    ],
)
def test_the_url_names_account_and_container(issuer: str, place: tuple[str, str, str]) -> None:
    assert blob.place(issuer) == blob.Place(*place)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://issuer.example/",
        "https://acc.blob.core.windows.net/",
        "https://acc.blob.core.windows.net.example/oidc/",
        "https://acc.z13.web.example/",
    ],
)
def test_another_host_is_refused_with_what_helps(issuer: str) -> None:
    with pytest.raises(errors.BadInput, match=r"https://ACCOUNT\.blob"):
        blob.place(issuer)


def test_a_command_is_safe_to_paste() -> None:
    (command,) = blob.upload_commands(
        blob.Place("acc", "$web", "a/"), {"openid/v1/jwks": Path("my folder/jwks")}
    )
    words = shlex.split(command)
    assert words[:4] == ["az", "storage", "blob", "upload"]
    flags = dict(zip(words[4:-1:2], words[5:-1:2], strict=True))
    assert flags == {
        "--auth-mode": "login",
        "--account-name": "acc",
        "--container-name": "$web",
        "--name": "a/openid/v1/jwks",
        "--file": "my folder/jwks",
        "--content-type": "application/json",
        "--content-cache-control": "public, max-age=3600",
    }
    assert words[-1] == "--overwrite"
