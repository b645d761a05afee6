"""Asking for what issuers publish: of the web, and of a live API server."""

from email.utils import formatdate
from pathlib import Path

import pytest

from azwi_cli import errors, issuers, kube
from azwi_cli.web import Answer
from azwi_commands import Authority, Reply, Site, jwks_of, kid_of, kubeconfig

MOMENT = 1_700_000_000


@pytest.fixture
def cluster(site: Site, authority: Authority, tmp_path: Path) -> kube.Cluster:
    """An API server that publishes what the site does."""
    return kube.Cluster(kubeconfig(tmp_path, site.url, authority.file))


def test_document_and_keys_are_fetched_where_they_are_named(
    site: Site, authority: Authority
) -> None:
    site.publish({"keys": []}, jwks_uri=f"{site.url}/elsewhere")
    document, keys = issuers.on_the_web(site.issuer, authority.file)
    assert isinstance(document, Answer)
    assert isinstance(keys, Answer)
    assert keys.status == 404
    assert [path for path, _ in site.asked] == ["/.well-known/openid-configuration", "/elsewhere"]


def test_keys_are_not_asked_for_without_tls(site: Site, authority: Authority) -> None:
    site.publish({"keys": []}, jwks_uri=site.url.replace("https", "http"))
    assert issuers.on_the_web(site.issuer, authority.file)[1] is None


def test_a_key_set_says_how_old_it_is(site: Site, authority: Authority, signing_key: Path) -> None:
    headers = {"Last-Modified": formatdate(MOMENT, usegmt=True), "Cache-Control": "max-age=7200"}
    site.replies["/openid/v1/jwks"] = Reply(jwks_of(signing_key), 200, headers)
    found = issuers.keys_on_the_web(site.issuer, authority.file)
    assert [key.kid for key in found.keys] == [kid_of(signing_key)]
    assert (found.published_at, found.max_age) == (MOMENT, 7200)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_without_a_date_nobody_knows(date: str, site: Site, authority: Authority) -> None:
    site.replies["/openid/v1/jwks"].headers = {"Last-Modified": date}
    assert issuers.keys_on_the_web(site.issuer, authority.file).published_at is None


def test_no_key_set_names_the_command_that_checks(site: Site, authority: Authority) -> None:
    del site.replies["/openid/v1/jwks"]
    with pytest.raises(errors.Unavailable, match="azwi oidc check"):
        issuers.keys_on_the_web(site.issuer, authority.file)


def test_a_server_that_is_away_is_told_as_it_is(site: Site) -> None:
    with pytest.raises(errors.Unavailable, match="does not trust"):
        issuers.keys_on_the_web(site.issuer, None)


def test_a_cluster_names_its_issuer_and_keys(
    cluster: kube.Cluster, site: Site, signing_key: Path
) -> None:
    issuer, keys = issuers.of_cluster(cluster, None)
    assert issuer == site.issuer
    assert [key.kid for key in keys] == [kid_of(signing_key)]


def test_a_cluster_with_another_issuer_is_refused(cluster: kube.Cluster, site: Site) -> None:
    with pytest.raises(errors.BadInput, match="--service-account-issuer"):
        issuers.of_cluster(cluster, site.url)


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}"])
def test_a_cluster_without_an_issuer_is_told(
    body: bytes, cluster: kube.Cluster, site: Site
) -> None:
    site.replies["/.well-known/openid-configuration"] = Reply(body)
    with pytest.raises(errors.Unavailable, match="names no issuer"):
        issuers.document_of_cluster(cluster)


def test_a_cluster_without_keys_is_told(cluster: kube.Cluster, site: Site) -> None:
    site.publish({"keys": []})
    with pytest.raises(errors.Unavailable, match="publishes no keys"):
        issuers.of_cluster(cluster, None)
