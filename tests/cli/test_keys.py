"""Key files of every size and kind become the JWKS that Kubernetes and the reference write."""

import base64
import hashlib
import json
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization as as_pem

from azwi_cli import errors, keys
from azwi_commands import kid_of, openssl, public_half

# The service account keys of Kubernetes' own tests (pkg/serviceaccount), and what it makes of them.
KUBERNETES_RSA = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA249XwEo9k4tM8fMxV7zx
OhcrP+WvXn917koM5Qr2ZXs4vo26e4ytdlrV0bQ9SlcLpQVSYjIxNfhTZdDt+ecI
zshKuv1gKIxbbLQMOuK1eA/4HALyEkFgmS/tleLJrhc65tKPMGD+pKQ/xhmzRuCG
51RoiMgbQxaCyYxGfNLpLAZK9L0Tctv9a0mJmGIYnIOQM4kC1A1I1n3EsXMWmeJU
j7OTh/AjjCnMnkgvKT2tpKxYQ59PgDgU8Ssc7RDSmSkLxnrv+OrN80j6xrw0OjEi
B4Ycr0PqfzZcvy8efTtFQ/Jnc4Bp1zUtFXt7+QeevePtQ2EcyELXE0i63T1CujRM
WwIDAQAB
-----END PUBLIC KEY-----
"""
KUBERNETES_EC = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH6cuzP8XuD5wal6wf9M6xDljTOPL
X2i8uIp/C/ASqiIGUeeKQtX0/IR3qCXyThP/dbCiHrF3v1cuhBOHY8CLVg==
-----END PUBLIC KEY-----
"""
KUBERNETES_JWKS = (
    '{"keys":[{"use":"sig","kty":"RSA","kid":"JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU",'
    '"alg":"RS256","n":"249XwEo9k4tM8fMxV7zxOhcrP-WvXn917koM5Qr2ZXs4vo26e4ytdlrV0bQ9SlcLpQVSYjIxNfhT'
    "ZdDt-ecIzshKuv1gKIxbbLQMOuK1eA_4HALyEkFgmS_tleLJrhc65tKPMGD-pKQ_xhmzRuCG51RoiMgbQxaCyYxGfNLpLA"
    "ZK9L0Tctv9a0mJmGIYnIOQM4kC1A1I1n3EsXMWmeJUj7OTh_AjjCnMnkgvKT2tpKxYQ59PgDgU8Ssc7RDSmSkLxnrv-OrN"
    '80j6xrw0OjEiB4Ycr0PqfzZcvy8efTtFQ_Jnc4Bp1zUtFXt7-QeevePtQ2EcyELXE0i63T1CujRMWw","e":"AQAB"},'
    '{"use":"sig","kty":"EC","kid":"SoABiieYuNx4UdqYvZRVeuC6SihxgLrhLy9peHMHpTc","crv":"P-256",'
    '"alg":"ES256","x":"H6cuzP8XuD5wal6wf9M6xDljTOPLX2i8uIp_C_ASqiI",'
    '"y":"BlHnikLV9PyEd6gl8k4T_3Wwoh6xd79XLoQTh2PAi1Y"}]}'
)
# RFC 7517, appendix A.1: numbers of an EC and an RSA key.
RFC_EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "1",
}
RFC_RSA = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
    "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY36"
    "8QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd"
    "2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


def made(folder: Path, *command: str) -> Path:
    file = folder / "made.key"
    file.write_bytes(openssl(*command))
    return file


def only(path: Path) -> keys.PublicKey:
    (key,) = keys.read(path.read_bytes(), str(path))
    return key


def test_the_keys_of_kubernetes_own_tests_come_out_as_there() -> None:
    found = [*keys.read(KUBERNETES_RSA, "rsa"), *keys.read(KUBERNETES_EC, "ec")]
    text = keys.jwks_text(found)
    assert json.dumps(json.loads(text), separators=(",", ":")) == KUBERNETES_JWKS


def test_the_set_is_spelled_as_the_reference_spells_it() -> None:
    lines = keys.jwks_text(keys.read(KUBERNETES_EC, "ec")).split("\n")
    assert lines[:3] == ["{", '  "keys": [', "    {"]
    assert lines[-3:] == ["    }", "  ]", "}"]
    assert lines[3] == '      "use": "sig",'


@pytest.mark.parametrize("vector", [RFC_EC, RFC_RSA], ids=["EC", "RSA"])
def test_the_keys_of_rfc_7517_go_in_and_come_out_unchanged(
    vector: dict[str, str], tmp_path: Path
) -> None:
    pem = jwt.PyJWK({"alg": "ES256", **vector}).key.public_bytes(
        as_pem.Encoding.PEM, as_pem.PublicFormat.SubjectPublicKeyInfo
    )
    (key,) = keys.read(pem, "vector")
    numbers = {name: vector[name] for name in vector.keys() & {"x", "y", "n", "e", "crv", "kty"}}
    assert numbers.items() <= key.jwk.items()
    assert keys.from_jwk(vector).kid == vector["kid"]


def test_the_numbers_have_the_thumbprint_of_rfc_7638() -> None:
    pem = jwt.PyJWK(RFC_RSA).key.public_bytes(
        as_pem.Encoding.PEM, as_pem.PublicFormat.SubjectPublicKeyInfo
    )
    (key,) = keys.read(pem, "vector")
    members = {name: key.jwk[name] for name in ("e", "kty", "n")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("bits", [1024, 2048, 3072, 4096])
def test_rsa_keys_of_every_size(bits: int, tmp_path: Path) -> None:
    private = made(tmp_path, "genrsa", str(bits))
    key = only(private)
    assert (key.algorithm, key.bits, key.kid) == ("RS256", bits, kid_of(private))
    modulus = openssl("rsa", "-in", private, "-modulus", "-noout").decode().strip()
    number = int.from_bytes(base64.urlsafe_b64decode(key.jwk["n"] + "=="), "big")
    assert f"Modulus={number:X}" == modulus


@pytest.mark.parametrize(
    ("curve", "algorithm", "length"),
    [("prime256v1", "ES256", 43), ("secp384r1", "ES384", 64), ("secp521r1", "ES512", 88)],
)
def test_ec_keys_of_every_curve_have_coordinates_of_full_length(
    curve: str, algorithm: str, length: int, tmp_path: Path
) -> None:
    for _ in range(20):  # a coordinate begins with a zero byte every now and then
        private = made(tmp_path, "ecparam", "-name", curve, "-genkey", "-noout")
        key = only(private)
        assert (key.algorithm, key.kid) == (algorithm, kid_of(private))
        assert {len(key.jwk["x"]), len(key.jwk["y"])} == {length}


def test_every_form_of_one_key_gives_the_same_member(tmp_path: Path) -> None:
    private = made(tmp_path, "genrsa", "2048")
    forms = {
        "pkcs8": openssl("pkcs8", "-topk8", "-nocrypt", "-in", private),
        "pkcs1": openssl("rsa", "-traditional", "-in", private),
        "spki": openssl("pkey", "-in", private, "-pubout"),
        "pkcs1 public": openssl("rsa", "-in", private, "-RSAPublicKey_out"),
        "certificate": openssl("req", "-x509", "-key", private, "-subj", "/CN=sa", "-days", "1"),
    }
    labels = {form: pem.split(b"-----")[1] for form, pem in forms.items()}
    assert labels == {
        "pkcs8": b"BEGIN PRIVATE KEY",
        "pkcs1": b"BEGIN RSA PRIVATE KEY",
        "spki": b"BEGIN PUBLIC KEY",
        "pkcs1 public": b"BEGIN RSA PUBLIC KEY",
        "certificate": b"BEGIN CERTIFICATE",
    }
    spelled = {keys.jwks_text(keys.read(pem, form)) for form, pem in forms.items()}
    assert len(spelled) == 1


def test_ec_keys_with_their_parameters_before_them_are_read(tmp_path: Path) -> None:
    private = made(tmp_path, "ecparam", "-name", "prime256v1", "-genkey")
    assert b"EC PARAMETERS" in private.read_bytes()
    assert only(private).kid == kid_of(private)


def test_all_keys_of_a_file_are_read_in_their_order(tmp_path: Path) -> None:
    found = keys.read(KUBERNETES_EC + b"between\n" + KUBERNETES_RSA, "both")
    assert [key.algorithm for key in found] == ["ES256", "RS256"]


def test_windows_line_ends_and_text_around_are_no_matter() -> None:
    text = b"Bag Attributes\r\n" + KUBERNETES_RSA.replace(b"\n", b"\r\n")
    assert keys.read(text, "file")[0].kid == "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU"


def test_nothing_private_comes_out(tmp_path: Path) -> None:
    private = made(tmp_path, "genrsa", "2048")
    assert set(only(private).jwk) == {"use", "kty", "kid", "alg", "n", "e"}


REFUSED = {
    "Ed25519": ("genpkey", "-algorithm", "ed25519"),
    "secp256k1": ("ecparam", "-name", "secp256k1", "-genkey", "-noout"),
    "brainpool": ("ecparam", "-name", "brainpoolP256r1", "-genkey", "-noout"),
    "RSA-PSS": ("genpkey", "-algorithm", "RSA-PSS"),
    "X25519": ("genpkey", "-algorithm", "x25519"),
    "DSA": ("dsaparam", "-genkey", "-noout", "1024"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("half", ["private", "public"])
def test_a_kind_that_kubernetes_does_not_sign_with_is_refused(
    kind: str, half: str, tmp_path: Path
) -> None:
    private = made(tmp_path, *REFUSED[kind])
    file = private if half == "private" else public_half(private, tmp_path / "made.pub")
    with pytest.raises(errors.BadInput, match=r"Kubernetes signs with RSA, or EC on P-256") as told:
        keys.read(file.read_bytes(), str(file))
    assert str(file) in str(told.value)


def encrypted(folder: Path) -> dict[str, bytes]:
    private = made(folder, "genrsa", "2048")
    passed = ("-passout", "pass:secret", "-in", str(private))
    return {
        "PKCS#8": openssl("pkcs8", "-topk8", *passed),
        "PKCS#1": openssl("rsa", "-traditional", "-aes128", *passed),
    }


@pytest.mark.parametrize("form", ["PKCS#8", "PKCS#1"])
def test_an_encrypted_key_is_refused_with_the_command_that_helps(form: str, tmp_path: Path) -> None:
    with pytest.raises(errors.BadInput, match=r"sa\.key is encrypted.*openssl pkey -in sa\.key"):
        keys.read(encrypted(tmp_path)[form], "sa.key")


BAD = {
    b"": "is empty",
    b"\n\n": "is empty",
    b"hello": "no key in PEM form",
    b"ssh-ed25519 AAAA me": "OpenSSH",
    b"\x30\x82\x01\x22": "DER, not PEM",
    b"-----BEGIN PUBLIC KEY-----\nMIIB": "lacks its END line",
    b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n": "is damaged",
    b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n": "is damaged",
    b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n": "is damaged",
    b"-----BEGIN RSA PRIVATE KEY-----\n\n-----END RSA PRIVATE KEY-----\n": "is damaged",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----": "OpenSSH",
    b"-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----": "'PGP MESSAGE'",
    b"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----": "holds no key",
    KUBERNETES_RSA[:300] + KUBERNETES_RSA[330:]: "is damaged",
}


@pytest.mark.parametrize("content", BAD, ids=range(len(BAD)))
def test_what_is_no_key_is_refused_with_the_name_of_the_file(content: bytes) -> None:
    with pytest.raises(errors.BadInput, match=BAD[content]) as told:
        keys.read(content, "the-file")
    assert "the-file" in str(told.value)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", True),
        (b'{"keys": []}', True),
        (b'{"keys": 1}', False),
        (b"[]", False),
        (b"no JSON", False),
        (b"\xff", False),
        (KUBERNETES_RSA, False),
    ],
)
def test_a_key_set_is_told_from_other_files(content: bytes, answer: bool) -> None:
    assert keys.is_jwks(content) is answer


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "AQ", "e": 3},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "oct", "k": "c2VjcmV0"},
    ],
)
def test_a_member_of_a_set_that_is_no_key_is_a_value_error(jwk: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        keys.from_jwk(jwk)
