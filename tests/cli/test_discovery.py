"""The discovery document, and URLs that can be issuers."""

import json

import pytest

from azwi_cli import discovery, errors


@pytest.mark.parametrize("issuer", ["https://host.example/c/", "https://host.example/c"])
def test_the_issuer_stays_as_it_is_and_paths_have_one_slash(issuer: str) -> None:
    document = discovery.document(issuer, ["RS256"])
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == "https://host.example/c/openid/v1/jwks"
    assert discovery.document_url(issuer) == (
        "https://host.example/c/.well-known/openid-configuration"
    )


def test_the_document_is_the_one_of_kubernetes() -> None:
    # As in Kubernetes' own test of its discovery document.
    wanted = (
        '{"issuer":"https://issuer.example.com",'
        '"jwks_uri":"https://issuer.example.com/openid/v1/jwks",'
        '"response_types_supported":["id_token"],"subject_types_supported":["public"],'
        '"id_token_signing_alg_values_supported":["ES256","RS256"]}'
    )
    made = discovery.document("https://issuer.example.com", ["RS256", "ES256", "RS256"])
    assert json.dumps(made, separators=(",", ":")) == wanted
    assert json.loads(discovery.text(made)) == made


@pytest.mark.parametrize(
    "issuer",
    [
        "https://host.example",
        "https://host.example:8443/a/b/",
        "https://192.0.2.1/",
        "https://[::1]/",
    ],
)
def test_https_urls_can_be_issuers(issuer: str) -> None:
    assert discovery.problem(issuer) == ""
    discovery.require(issuer)


@pytest.mark.parametrize(
    ("issuer", "wrong"),
    [
        ("", "https://"),
        ("host.example", "https://"),
        ("http://host.example", "https://"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://host.example/?a=b", "query"),
        ("https://host.example/#a", "fragment"),
        ("https://host.example/?", "query"),
        ("https://me:secret@host.example/", "user name"),
        ("https://host.example/a b", "blanks"),
        ("https://host.example/\n", "blanks"),
        ("https://host.example:port/", "no URL"),
        ("https://[::1/", "no URL"),
    ],
)
def test_what_cannot_be_an_issuer_is_told_why(issuer: str, wrong: str) -> None:
    assert wrong in discovery.problem(issuer)
    with pytest.raises(errors.BadInput, match="--service-account-issuer"):
        discovery.require(issuer)


@pytest.mark.parametrize(
    ("issuer", "fits"),
    [
        ("https://issuer.example/", True),
        ("https://kubernetes.default.svc.cluster.local", False),
        ("https://kubernetes.default.svc", False),
        ("kubernetes/serviceaccount", False),
    ],
)
def test_an_issuer_of_the_cluster_itself_is_told(issuer: str, fits: bool) -> None:
    assert (discovery.unfit_for_entra(issuer) == "") is fits
