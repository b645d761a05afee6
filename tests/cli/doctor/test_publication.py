"""What the issuer publishes, beside what the cluster signs with."""

from pathlib import Path

import pytest

from azwi_cli import kube
from azwi_cli.doctor import credentials, publication
from azwi_commands import Authority, Reply, Site, jwks_of, kubeconfig
from azwi_testing import free_port


@pytest.fixture
def cluster(site: Site, authority: Authority, tmp_path: Path) -> kube.Cluster:
    """The API server publishes at its own address, as a cluster of one's own does."""
    return kube.Cluster(kubeconfig(tmp_path, site.url, authority.file))


@pytest.fixture(autouse=True)
def _trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' authority is a public one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


def bad(cluster: kube.Cluster, issuer: str) -> list[tuple[str, str]]:
    found = publication.checks(cluster, issuer)
    assert found
    return [(item.name, str(item.status)) for item in found if item.status != "pass"]


def test_a_good_issuer_is_on_loopback_and_nothing_else(cluster: kube.Cluster, site: Site) -> None:
    assert bad(cluster, site.issuer) == [("reachable", "warn")]


def test_keys_that_are_not_published_are_found(
    cluster: kube.Cluster, site: Site, new_key: Path
) -> None:
    site.publish(site.key_set, jwks_uri=f"{site.url}/old")
    site.replies["/old"] = Reply(jwks_of(new_key))
    assert ("issuer-keys", "fail") in bad(cluster, site.issuer)


def test_a_document_that_is_not_there_fails(cluster: kube.Cluster, site: Site) -> None:
    del site.replies["/.well-known/openid-configuration"]
    assert ("document", "fail") in bad(cluster, site.issuer)


def test_what_cannot_be_read_from_here_is_a_warning(cluster: kube.Cluster) -> None:
    issuer = f"https://127.0.0.1:{free_port()}/"
    assert bad(cluster, issuer) == [("issuer-published", "warn")]


def test_an_issuer_within_the_cluster_is_not_asked(cluster: kube.Cluster, site: Site) -> None:
    assert publication.checks(cluster, "https://kubernetes.default.svc") == []
    assert site.asked == []


def test_one_key_of_two_is_a_warning() -> None:
    assert [
        item.status
        for item in credentials.keys_match("https://issuer.example", ["a", "b"], ["b", "c"])
    ] == ["warn"]
    assert list(credentials.keys_match("https://issuer.example", ["a"], ["a", "b"])) == []
