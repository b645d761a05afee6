"""What a certificate is worth."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from azwi_webhook import authority, errors, leaves
from azwi_webhook.leaves import judge, make_in_child

NAMES = ("hook.ns.svc", "hook.ns.svc.cluster.local")


def made(names: tuple[str, ...] = NAMES, **life: float) -> dict[str, bytes]:
    duration = timedelta(**(life or {"days": 90}))
    found = authority.make(list(names), datetime.now(UTC), duration)
    return {name: text.encode() for name, text in found.items()}


def test_a_good_one_is_told_by_its_times_and_its_ca() -> None:
    one, other = made(), made()
    bundle = other["ca.crt"] + one["ca.crt"]
    leaf = judge(one["tls.crt"], one["tls.key"], bundle, NAMES)
    assert leaf is not None
    assert leaf.ca.strip() == one["ca.crt"].strip()
    assert leaf.begins == pytest.approx(time.time() - authority.EARLY.total_seconds(), abs=5)
    assert leaf.expires == pytest.approx(time.time() + 90 * 86400, abs=5)


def test_whatever_a_client_would_refuse_is_none() -> None:
    one, other = made(), made()
    chain, key, ca = one["tls.crt"], one["tls.key"], one["ca.crt"]
    old = made(seconds=-1)
    assert judge(old["tls.crt"], old["tls.key"], old["ca.crt"], NAMES) is None
    assert judge(chain, key, other["ca.crt"], NAMES) is None
    assert judge(chain, other["tls.key"], ca, NAMES) is None
    assert judge(chain, key, ca, ("hook.other.svc",)) is None
    assert judge(chain, key, ca, (*NAMES, "more.ns.svc")) is None
    assert judge(b"", b"", b"", NAMES) is None
    assert judge(chain, key, b"", NAMES) is None
    assert judge(b"nonsense", key, ca, NAMES) is None
    broken = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"
    assert judge(chain, key, broken, NAMES) is None
    assert judge(chain, key, broken + ca, NAMES) is not None


def test_an_encrypted_key_asks_nobody_for_its_password() -> None:
    one = made()
    key = serialization.load_pem_private_key(one["tls.key"], None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert judge(one["tls.crt"], encrypted, one["ca.crt"], NAMES) is None


async def test_a_child_process_makes_a_good_one() -> None:
    one = await make_in_child(NAMES, timedelta(days=90))
    assert judge(one["tls.crt"], one["tls.key"], one["ca.crt"], NAMES)


async def test_a_child_that_fails_or_hangs_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.Unavailable, match="No certificate could be made"):
        await make_in_child((), timedelta(days=90))
    monkeypatch.setattr(leaves, "CHILD", 0.01)
    with pytest.raises(errors.Unavailable, match="took more than"):
        await make_in_child(NAMES, timedelta(days=90))
