"""When the webhook's own certificate is exchanged, and how."""

from datetime import timedelta

import pytest

from azwi_webhook.certificates import (
    Leaf,
    Step,
    Times,
    blocks,
    dns_names,
    prepared,
    promoted,
    replaced,
    rest,
    step,
)

DAY = 86400.0
NOW = 1_800_000_000.0
TIMES = Times()


def leaf(age: float, life: float = 90 * DAY) -> Leaf:
    return Leaf(begins=NOW - age, expires=NOW - age + life, ca=b"ca")


@pytest.mark.parametrize(
    ("current", "upcoming", "trusted", "expected"),
    [
        (None, None, False, "replace"),
        (leaf(0), None, False, "keep"),
        (leaf(59 * DAY), None, True, "keep"),
        (leaf(61 * DAY), None, False, "prepare"),
        (leaf(61 * DAY), leaf(0), False, "keep"),
        (leaf(61 * DAY), leaf(0), True, "promote"),
        (None, leaf(0), False, "promote"),
        (leaf(0, life=365 * DAY), None, False, "keep"),
        (leaf(21 * DAY, life=30 * DAY), None, False, "prepare"),
    ],
)
def test_what_is_to_be_done_follows_from_what_is_stored(
    current: Leaf | None, upcoming: Leaf | None, trusted: bool, expected: Step
) -> None:
    assert step(current, upcoming, NOW, TIMES, trusted=trusted) == expected


def test_the_next_look_is_when_there_may_be_something_to_do() -> None:
    assert rest(None, None, NOW, TIMES) == 0
    assert rest(leaf(0), None, NOW, TIMES) == 3600
    assert rest(leaf(60 * DAY - 5), None, NOW, TIMES) == pytest.approx(5)
    assert rest(leaf(61 * DAY), None, NOW, TIMES) == 0
    assert rest(leaf(61 * DAY), leaf(0), NOW, TIMES) == 60
    assert rest(leaf(0), None, NOW, Times(life=timedelta(seconds=3))) == 3600
    assert rest(leaf(90 * DAY - 5), leaf(0), NOW, TIMES) == pytest.approx(5)
    assert rest(leaf(91 * DAY), leaf(0), NOW, TIMES) == 0
    assert rest(None, leaf(0), NOW, TIMES) == 60


def test_a_replica_is_late_by_a_part_of_the_certificates_own_life() -> None:
    late = Times(late=0.02)
    assert rest(leaf(60 * DAY), None, NOW, late) == 3600
    assert step(leaf(61.7 * DAY), None, NOW, late, trusted=False) == "keep"
    assert step(leaf(61.9 * DAY), None, NOW, late, trusted=False) == "prepare"
    assert rest(leaf(200, life=300), None, NOW, late) == pytest.approx(6)


CA = [b"-----BEGIN CERTIFICATE-----\n%d\n-----END CERTIFICATE-----\n" % n for n in range(4)]


def test_a_bundle_is_its_certificates() -> None:
    assert blocks(b"# note\n" + CA[0] + b"\n" + CA[1]) == CA[:2]
    assert blocks(b"nonsense") == []


def test_a_renewal_never_takes_trust_from_what_is_served() -> None:
    first = {"tls.crt": b"c0", "tls.key": b"k0", "ca.crt": CA[0]}
    made = {"tls.crt": b"c1", "tls.key": b"k1", "ca.crt": CA[1]}
    ready = prepared(first, made, Leaf(0, 1, CA[0]))
    assert (ready["tls.crt"], ready["tls.key"]) == (b"c0", b"k0")
    assert blocks(ready["ca.crt"]) == [CA[1], CA[0]]
    done = promoted(ready)
    assert done == {"tls.crt": b"c1", "tls.key": b"k1", "ca.crt": CA[1] + CA[0]}


def test_the_old_ca_is_dropped_at_the_next_renewal() -> None:
    second = {"tls.crt": b"c1", "tls.key": b"k1", "ca.crt": CA[1] + CA[0]}
    made = {"tls.crt": b"c2", "tls.key": b"k2", "ca.crt": CA[2]}
    assert blocks(prepared(second, made, Leaf(0, 1, CA[1]))["ca.crt"]) == [CA[2], CA[1]]


def test_what_is_replaced_at_once_stays_trusted_and_the_bundle_stays_small() -> None:
    old = {"tls.crt": b"?", "ca.crt": CA[1] + CA[2] + CA[3]}
    made = {"tls.crt": b"c", "tls.key": b"k", "ca.crt": CA[0]}
    new = replaced(old, made)
    assert blocks(new["ca.crt"]) == CA[:3]
    assert (new["tls.crt"], new["tls.key"]) == (b"c", b"k")
    assert replaced({}, made) == made


def test_the_names_are_those_that_an_api_server_calls() -> None:
    assert dns_names("hook", "ns") == ("hook.ns.svc", "hook.ns.svc.cluster.local")
