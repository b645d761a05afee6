"""What tests of the command line share: ``azwi`` as a process, keys by openssl, published issuers.

A package and not a conftest, because with importlib mode tests cannot import a conftest.
"""

import base64
import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from azwi_cli import keys
from azwi_testing import plain_environment

AUDIENCE = "api://AzureADTokenExchange"
TIMEOUT = 30.0


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its output, where that is JSON."""
        return json.loads(self.out)


def azwi(*arguments: str | Path, code: int | None = 0, **variables: str) -> Ran:
    """Run ``azwi``, and expect that exit code; None: any."""
    ended = subprocess.run(
        [sys.executable, "-m", "azwi_cli", *map(str, arguments)],
        capture_output=True,
        env={**plain_environment(), "HOME": "/nonexistent", **variables},
        timeout=TIMEOUT,
        text=True,
        check=False,
    )
    ran = Ran(ended.returncode, ended.stdout, ended.stderr)
    assert code is None or ran.code == code, ran
    assert "Traceback" not in ran.err or "--debug" in arguments
    return ran


def openssl(*arguments: str | Path, data: bytes = b"") -> bytes:
    """What openssl prints."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(
        command, input=data, capture_output=True, timeout=TIMEOUT, check=True
    ).stdout


def rsa_key(path: Path, bits: int = 2048) -> Path:
    """A new private RSA key in a file."""
    path.write_bytes(openssl("genrsa", str(bits)))
    return path


def public_half(private: Path, path: Path) -> Path:
    """The public key of a private one, as openssl writes it."""
    path.write_bytes(openssl("pkey", "-in", private, "-pubout"))
    return path


def kid_of(path: Path) -> str:
    """The kid of a key file, by openssl alone."""
    der = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
    digest = openssl("dgst", "-sha256", "-binary", data=der)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def jwks_of(*paths: Path) -> dict[str, Any]:
    """The key set of key files."""
    found = [key for path in paths for key in keys.read(path.read_bytes(), str(path))]
    document: dict[str, Any] = json.loads(keys.jwks_text(found))
    return document


def service_account_token(private: Path, issuer: str, **claims: Any) -> str:
    """A token as a cluster signs it; ``claims`` change it, ``kid`` and ``alg`` its header."""
    now = int(time.time())
    header = {"kid": claims.pop("kid", None) or kid_of(private)}
    algorithm = claims.pop("alg", "RS256")
    body = {
        "iss": issuer,
        "sub": "system:serviceaccount:shop:app",
        "aud": [AUDIENCE],
        "iat": now,
        "exp": now + 3600,
        **claims,
    }
    key = private.read_text()
    return jwt.encode(body, key, algorithm=algorithm, headers=header)


@dataclass
class Authority:
    """A CA and what it signs, for loopback."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {id(self)}")])
        certificate = (
            self._builder(self.name, self.key, timedelta(days=90))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self.folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *, host: str = "127.0.0.1", days: float = 60) -> ssl.SSLContext:
        """A server's side of TLS, with a certificate for ``host`` that ends in ``days``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = [x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)]
        certificate = (
            self._builder(subject, key, timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{host}-{days}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lives: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + lives)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )


_CA_USAGE = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
    encipher_only=False, decipher_only=False,
)  # fmt: skip


@dataclass
class Reply:
    """What a site answers at a path."""

    body: bytes | dict[str, Any] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    pause: float = 0
    """Seconds before the body."""

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Site:
    """A server of a few documents; ``replies`` may change while it runs."""

    url: str
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Path and headers (by lower-case name) of every request."""
    key_set: dict[str, Any] = field(default_factory=dict)
    """What was published last."""

    @property
    def issuer(self) -> str:
        """Its URL with a slash at the end, as AKS has it."""
        return self.url + "/"

    def publish(self, key_set: dict[str, Any], **document: Any) -> None:
        """Serve a good discovery document, with ``document`` over it, and a key set."""
        good = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.url}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        self.replies["/.well-known/openid-configuration"] = Reply({**good, **document})
        self.replies["/openid/v1/jwks"] = Reply(key_set)
        self.key_set = key_set


@contextmanager
def serve(tls: ssl.SSLContext | None) -> Iterator[Site]:
    """A site on loopback, over TLS where there is a context."""
    site = Site("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, {n.lower(): v for n, v in self.headers.items()}))
            reply = site.replies.get(self.path, Reply(b"", 404))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            time.sleep(reply.pause)
            self.wfile.write(reply.content)

        def log_message(self, *arguments: object) -> None:
            """Nothing: a test's output is its own."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that leave during the handshake are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    site.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(folder: Path, server: str, ca_file: Path, token: str = "s3cret-bearer") -> Path:
    """A kubeconfig with one context for ``server``; JSON is YAML too."""
    document = {
        "clusters": [
            {"name": "c", "cluster": {"server": server, "certificate-authority": str(ca_file)}}
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "main",
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(document))
    return file
