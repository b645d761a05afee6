"""What targets mean: the spellings that must be answered here, and those that may pass on."""

import pytest

from azwi_proxy import paths
from azwi_proxy.paths import Route

TOKEN_SPELLINGS = (
    "/metadata/identity/oauth2/token",
    "/metadata/identity/oauth2/token/",
    "/metadata/identity/oauth2/token?resource=https://vault.azure.net",
    "//metadata/identity/oauth2/token",
    "/metadata//identity///oauth2/token",
    "/METADATA/identity/oauth2/token",
    "/Metadata/Identity/OAuth2/Token",
    "/metadata/identity/./oauth2/token",
    "/metadata/identity/x/../oauth2/token",
    "/metadata/instance/../identity/oauth2/token",
    "/%6detadata/identity/oauth2/token",
    "/metadata%2fidentity%2foauth2%2ftoken",
    "/metadata/%2569dentity/oauth2/token",
    "/metadata/%252569dentity/oauth2/token",
    "\\metadata\\identity\\oauth2\\token".replace("\\", "/", 1),
    "/metadata/identity/%5coauth2/token",
    "/metadata;v=1/identity;x/oauth2/token",
    "http://169.254.169.254/metadata/identity/oauth2/token?resource=x",
    "HTTPS://elsewhere/metadata/identity/oauth2/token",
)

IDENTITY_SPELLINGS = (
    "/metadata/identity",
    "/metadata/identity/",
    "/metadata/identity/getplatformmetadata?cred-api-version=2.0",
    "/metadata/identity/issuecredential",
    "/metadata/identity/credential",
    "/metadata/identity/oauth2/tokenXYZ",
    "/metadata/identity/oauth2",
    "/metadata/identity/oauth2/token/more",
    "/metadata/instance/%2e%2e/identity/x",
    "/metadata/identity/../instance",
    "/metadata/identity/%2e%2e/instance",
    "/metadata/identity/%252e%252e/instance",
    "/metadata/identity%00/oauth2/token",
    "/metadata/identity%20/x",
    "/metadata/identity./x",
    "/metadata/ident%69ty%3fx/y",
    "/metadata/\uff49dentity/x",
    "/metadata/%ef%bd%89dentity/x",
    "/metadata%e2%80%8b/identity/x",
    "/metadata/IDENTITY#fragment".replace("#", "%23"),
    "/a/../metadata/./identity/x",
    "/identity/../metadata/x",
    "/metadata/x;/identity/y",
)

APP_SERVICE_SPELLINGS = (
    "/msi/token",
    "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net",
    "/msi/token/",
    "/MSI/token/?resource=x",
    "//msi//token",
    "/%6dsi/%74oken",
    "/%256dsi/token",
    "/msi%2ftoken",
    "/msi%5ctoken",
    "/msi/./token",
    "/msi/x/../token",
    "/metadata/instance/../../msi/token",
    "/msi;v=1/token;x",
    "http://127.0.0.1:8000/msi/token",
)

LIKE_APP_SERVICE = (
    "/msi/token2",
    "/msi/token/x",
    "/x/msi/token",
    "/msi/x/token",
    "/token/msi",
    "/msi/token/../x",
    "/msi/../x/token",
    "/msi%00/token",
    "/msi/%ef%bd%94oken",
    "/msi./token",
    "/msi/token%3fx/y",
)

UNREADABLE = (
    "*",
    "169.254.169.254:80",
    "metadata/identity/oauth2/token",
    "ftp://169.254.169.254/metadata/identity/oauth2/token",
    "/metadata%c0%afidentity/oauth2/token",
    "/metadata/%c1%a9dentity/oauth2/token",
    "/metadata/\u0131dentity/oauth2/token",
    "/metadata/in%00stance",
    "/latest/meta data",
    "/latest#/metadata",
    "/%" + "25" * 40 + "2f",
)

FORWARDABLE = (
    ("/metadata/instance?api-version=2021-02-01", Route.INSTANCE),
    ("/metadata/instance/compute/location?format=text", Route.INSTANCE),
    ("/Metadata/instance", Route.INSTANCE),
    ("/metadata/versions", Route.INSTANCE),
    ("/metadata/attested/document?nonce=1", Route.AZURE),
    ("/metadata/scheduledevents", Route.AZURE),
    ("/metadata/instance/../attested/document", Route.AZURE),
    ("/metadata/attested/../../latest", Route.AZURE),
    ("/metadata/instanceX", Route.AZURE),
    ("/metadata", Route.METADATA_ROOT),
    ("/metadata/?api-version=2018-02-01&format=text", Route.METADATA_ROOT),
    ("/latest/api/token", Route.FOREIGN),
    ("/latest/meta-data/iam/security-credentials/role", Route.FOREIGN),
    ("/latest/meta-data/identity-credentials/ec2/info", Route.FOREIGN),
    ("/latest/dynamic/instance-identity/document", Route.FOREIGN),
    ("/computeMetadata/v1/instance/service-accounts/default/token", Route.FOREIGN),
    ("/computeMetadata/v1/instance/service-accounts/default/identity?audience=x", Route.FOREIGN),
    ("/latest/meta-data/iam/security-credentials/msi", Route.FOREIGN),
    ("/msi", Route.FOREIGN),
    ("/", Route.FOREIGN),
    ("http://169.254.169.254", Route.FOREIGN),
)

LOCAL = (
    ("/readyz", Route.READY),
    ("/readyz?verbose", Route.READY),
    ("/healthz", Route.HEALTH),
    ("/metrics", Route.METRICS),
    ("/metadata/identity/info?api-version=2018-02-01", Route.IDENTITY_INFO),
    ("/metadata//identity/info/", Route.IDENTITY_INFO),
)


@pytest.mark.parametrize("target", TOKEN_SPELLINGS)
def test_every_spelling_of_the_token_path_is_a_token_request(target: str) -> None:
    assert paths.route(target) is Route.TOKEN


@pytest.mark.parametrize("target", IDENTITY_SPELLINGS)
def test_nothing_that_reads_as_an_identity_path_passes_on(target: str) -> None:
    assert paths.route(target) is Route.IDENTITY


@pytest.mark.parametrize("target", APP_SERVICE_SPELLINGS)
def test_every_spelling_of_app_services_path_is_a_request_to_it(target: str) -> None:
    assert paths.route(target) is Route.APP_SERVICE


@pytest.mark.parametrize("target", LIKE_APP_SERVICE)
def test_nothing_that_reads_as_app_services_path_passes_on(target: str) -> None:
    assert paths.route(target) is Route.IDENTITY


@pytest.mark.parametrize("target", UNREADABLE)
def test_a_target_without_a_safe_reading_passes_nowhere(target: str) -> None:
    assert paths.route(target) in (Route.UNREADABLE, Route.IDENTITY)


@pytest.mark.parametrize(("target", "route"), FORWARDABLE + LOCAL)
def test_other_targets_have_the_route_of_what_they_name(target: str, route: Route) -> None:
    assert paths.route(target) is route


def test_a_url_inside_the_query_is_left_alone() -> None:
    target = "/metadata/identity/oauth2/token?resource=https://vault.azure.net/&x=http://a/b"
    assert paths.split(target)[1] == "resource=https://vault.azure.net/&x=http://a/b"


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/latest//x/%2e%2e/y?q=%zz&a=b%20c", "/latest//x/%2e%2e/y?q=%zz&a=b%20c"),
        ("http://169.254.169.254/latest?x", "/latest?x"),
        ("http://169.254.169.254?x", "/?x"),
    ],
)
def test_origin_form_keeps_every_byte_of_path_and_query(target: str, sent: str) -> None:
    assert paths.origin_form(target) == sent
