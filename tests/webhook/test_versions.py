"""The minor version, whatever vendors make of the rest."""

import pytest

from azwi_webhook.versions import minor_of


@pytest.mark.parametrize(
    ("git_version", "minor"),
    [
        ("v1.31.2-gke.1", 31),
        ("v1.29.8-eks-a1b2c3d", 29),
        ("v1.30.4+k3s1", 30),
        ("v1.27.6+f67aeb3", 27),
        ("v1.34.0", 34),
        ("1.26", 26),
        ("v1.36.0-alpha.1.23+0123456789abcd-dirty", 36),
        ("v1.29+", 29),
    ],
)
def test_the_minor_version_is_read_from_every_vendors_spelling(
    git_version: str, minor: int
) -> None:
    assert minor_of(git_version) == minor


@pytest.mark.parametrize("git_version", ["", "v2.0.0", "1", "v1.x", "latest", "v1.٣", "v11.30"])
def test_what_is_no_version_of_kubernetes_is_told_so(git_version: str) -> None:
    with pytest.raises(ValueError, match=r"a Kubernetes version is v1\.N"):
        minor_of(git_version)
