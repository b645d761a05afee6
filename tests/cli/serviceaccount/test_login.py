"""How azwi logs in: every method of --auth-method, and what is told where one lacks something."""

import dataclasses
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import jwt
import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import options
from azwi_cli.serviceaccount.login import Login
from azwi_commands import Authority, openssl
from azwi_commands.world import World, fake_az
from azwi_emulator.messages import ClientRegistration

CART = ("--service-account-namespace", "shop", "--service-account-name", "cart")


def auth(world: World, **changes: object) -> options.Auth:
    given = options.Auth(
        azure_env_file=world.folder / "cloud.json",
        tenant_id=world.where.tenant_id,
        client_id=world.where.client_id,
    )
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]  # the fields' own types


def token(login: Login) -> str:
    return str(login.credential.get_token(login.cloud.graph_scope).token)


def test_a_secret_may_be_in_a_file(world: World) -> None:
    file = world.folder / "secret"
    file.write_text("hush, hush\n")
    method = options.AuthMethod.SECRET
    assert token(Login(auth(world, auth_method=method, client_secret_file=file)))


def test_a_secret_stands_in_no_repr() -> None:
    assert "hush" not in repr(options.Auth(client_secret="hush"))


def test_a_pods_own_identity_sets_others_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", world.where.token_file)
    assert token(Login(auth(world, auth_method=options.AuthMethod.WORKLOAD)))


@contextmanager
def login_host(tls: ssl.SSLContext) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An Entra ID that grants whatever it is asked; its URL, and the forms that it was sent."""
    forms: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"https://{self.headers['Host']}/t"
            names = ("issuer", "authorization_endpoint", "token_endpoint")
            self._answer({name: f"{url}/{name}" for name in names})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            forms.append(dict(parse_qsl(body)))
            self._answer({"access_token": "granted", "expires_in": 3600, "token_type": "Bearer"})

        def _answer(self, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", forms
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("together", [True, False])
def test_a_certificate_signs_the_request_for_the_token(
    world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    key, certificate = world.folder / "key.pem", world.folder / "cert.pem"
    key.write_bytes(openssl("genrsa", "2048"))
    certificate.write_bytes(openssl("req", "-x509", "-key", key, "-subj", "/CN=azwi", "-days", "2"))
    public = openssl("x509", "-in", certificate, "-noout", "-pubkey").decode()
    if together:
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    described = json.loads((world.folder / "cloud.json").read_text())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with login_host(authority.server()) as (url, forms):
        described[0]["authentication"]["loginEndpoint"] = url
        (world.folder / "cloud.json").write_text(json.dumps(described))
        given = auth(
            world,
            auth_method=options.AuthMethod.CERTIFICATE,
            certificate_path=certificate,
            private_key_path=None if together else key,
        )
        assert token(Login(given)) == "granted"
    (form,) = forms
    everything = jwt.decode(
        form["client_assertion"], public, ["RS256", "PS256"], audience=f"{url}/t/token_endpoint"
    )
    assert everything["iss"] == everything["sub"] == form["client_id"] == world.where.client_id


def test_what_is_no_certificate_is_told_without_its_content(world: World) -> None:
    file = world.folder / "cert.pem"
    file.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    method = options.AuthMethod.CERTIFICATE
    with pytest.raises(errors.BadInput) as caught:
        _ = Login(auth(world, auth_method=method, certificate_path=file)).credential
    assert "--private-key-path" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_the_azure_cli_gives_token_tenant_and_subscription(world: World) -> None:
    ran = world.process(
        *("create", *CART, "-o", "json"),
        login=False,
        AZURE_TENANT_ID="",
        AZURE_SUBSCRIPTION_ID="",
        PATH=fake_az(world),
    )
    assert ran.data["tenantId"] == world.where.tenant_id
    assert world.gets_a_token(ran.data["clientId"])


def test_an_azure_cli_that_is_logged_out_is_told(world: World) -> None:
    script = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1"
    ran = world.process(
        *("create", *CART),
        code=errors.Code.DENIED,
        login=False,
        AZURE_TENANT_ID="",
        PATH=fake_az(world, script),
    )
    assert "Run az login, or choose another --auth-method." in ran.err


def test_a_login_of_the_azure_cli_that_has_ended_is_begun_anew(world: World) -> None:
    """As the Azure CLI says it: a warning may stand before, and the way out after."""
    script = (
        'case "$*" in *get-access-token*) cat >&2 <<END\nWARNING: A newer version is there.\n'
        "ERROR: AADSTS70043: The refresh token has expired. Trace ID: 1 Correlation ID: 2\n"
        "Interactive authentication is needed. Please run:\naz login\nEND\nexit 1;; esac"
    )
    ran = world.process(
        *("create", *CART), code=errors.Code.DENIED, login=False, PATH=fake_az(world, script)
    )
    assert ran.err == (
        "azwi: The login is refused: AADSTS70043: The refresh token has expired. Run az login"
        " again, or choose another --auth-method.\n"
    )


@pytest.mark.parametrize("named", ["subscription", "tenant"])
def test_the_azure_cli_is_asked_for_the_tenant_that_is_meant(
    world: World, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Its own may be another one: an application would be made there."""
    answer = '{"accessToken": "$*", "expires_on": 32472144000}'
    monkeypatch.setenv("PATH", fake_az(world, f"cat <<END\n{answer}\nEND"))
    given = {"tenant_id": "t" if named == "tenant" else None, "subscription_id": "s"}
    asked = token(Login(auth(world, auth_method=options.AuthMethod.CLI, **given)))
    assert asked.endswith(f"--{named} {named[0]}")


@pytest.mark.parametrize("method", options.AuthMethod)
def test_what_can_be_no_tenant_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, method: options.AuthMethod
) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", world.where.token_file)
    given = auth(world, auth_method=method, tenant_id="my tenant", client_secret="x")
    file = world.folder / "cert.pem"
    key = openssl("genrsa", "2048")
    file.write_bytes(key)
    file.write_bytes(openssl("req", "-x509", "-key", file, "-subj", "/CN=azwi") + key)
    with pytest.raises(errors.BadInput, match=r"'my tenant' is no tenant.*--tenant-id"):
        _ = Login(dataclasses.replace(given, certificate_path=file)).credential


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"auth_method": options.AuthMethod.SECRET}, "AZURE_CLIENT_SECRET"),
        (
            {"auth_method": options.AuthMethod.SECRET, "client_secret": "x", "client_id": None},
            "--client-id",
        ),
        (
            {"auth_method": options.AuthMethod.SECRET, "client_secret": "x", "tenant_id": None},
            "--tenant-id or --subscription-id",
        ),
        ({"auth_method": options.AuthMethod.CERTIFICATE}, "--certificate-path"),
        ({"auth_method": options.AuthMethod.WORKLOAD}, "AZURE_FEDERATED_TOKEN_FILE"),
        ({"azure_env_file": Path("/nonexistent")}, "does not exist"),
        ({"azure_env_file": None, "azure_env": "Moon"}, "There is no cloud 'Moon'"),
    ],
)
def test_what_is_missing_is_told(world: World, changes: dict[str, object], told: str) -> None:
    with pytest.raises(errors.AzwiError) as caught:
        _ = Login(auth(world, **changes)).credential
    assert told in str(caught.value)


def test_a_subscription_is_needed_only_where_it_is_asked_for(world: World) -> None:
    login = Login(auth(world, auth_method=options.AuthMethod.SECRET))
    assert not login.has_subscription
    with pytest.raises(errors.BadInput, match="--subscription-id"):
        _ = login.subscription_id


def test_a_subscription_whose_tenant_arm_does_not_tell_asks_for_the_tenant(world: World) -> None:
    given = auth(
        world,
        auth_method=options.AuthMethod.SECRET,
        tenant_id=None,
        subscription_id=world.where.subscription_id,
    )
    with pytest.raises(errors.BadInput, match="Add --tenant-id"):
        _ = Login(given).tenant_id


@pytest.fixture
def certified(world: World) -> World:
    """Entra ID knows azwi's certificate, and no secret is given."""
    key, certificate = world.folder / "key.pem", world.folder / "cert.pem"
    key.write_bytes(openssl("genrsa", "2048"))
    certificate.write_bytes(openssl("req", "-x509", "-key", key, "-subj", "/CN=azwi", "-days", "2"))
    registration = ClientRegistration(
        tenant_id=world.where.tenant_id,
        client_id=world.where.client_id,
        certificate=certificate.read_text(),
    )
    world.control.register_client(registration)
    return world


def by_certificate(world: World, name: str = "key.pem") -> tuple[str, ...]:
    return (
        *("--auth-method", "client_certificate"),
        *("--certificate-path", str(world.folder / "cert.pem")),
        *("--private-key-path", str(world.folder / name)),
    )


def test_a_registered_certificate_logs_in_and_sets_everything_up(certified: World) -> None:
    ran = certified.process(
        *("create", *CART, *by_certificate(certified), "-o", "json"),
        login=False,
        AZURE_CLIENT_SECRET="",
    )
    assert certified.gets_a_token(ran.data["clientId"])


def test_a_certificate_that_is_not_registered_is_told(certified: World) -> None:
    key, certificate = certified.folder / "other.pem", certified.folder / "cert.pem"
    key.write_bytes(openssl("genrsa", "2048"))
    certificate.write_bytes(openssl("req", "-x509", "-key", key, "-subj", "/CN=azwi", "-days", "2"))
    ran = certified.process(
        *("create", *CART, *by_certificate(certified, "other.pem")),
        login=False,
        code=errors.Code.DENIED,
        AZURE_CLIENT_SECRET="",
    )
    assert "AADSTS700027" in ran.err
    assert "Register the certificate with the application" in ran.err
