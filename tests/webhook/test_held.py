"""What a cache holds of what others wrote, and how much of it."""

import pytest

from azwi_webhook import annotations, held
from azwi_webhook.held import NOTHING, TO_READ, Held, Wanted, kept
from azwi_webhook.kube import Metadata, Thing

PREFIX = "azure.workload.identity/"
CLIENT = PREFIX + "client-id"
WANTED = Wanted((PREFIX + "use-in-pods",), (CLIENT, PREFIX + "identities"), PREFIX)


def thing(name: str = "app", **given: str) -> Thing:
    named = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in given.items()}
    return Thing(Metadata(name=name, namespace="shop", annotations=named))


def test_only_names_that_somebody_reads_are_kept_with_their_values() -> None:
    one = thing(client_id="x", cliend_id="typo")
    one.metadata.labels = {PREFIX + "use-in-pods": "true", "app": "x"}
    known = kept(one, WANTED)
    assert known.annotations == {CLIENT: "x", PREFIX + "cliend-id": ""}
    assert known.labels == {PREFIX + "use-in-pods": "true"}
    assert kept(Thing(Metadata(annotations={"helm": "x"})), WANTED) is NOTHING


def test_strange_names_are_few_and_short() -> None:
    strange = {f"{number:04}{'n' * 60_000}": "v" * 1000 for number in range(100)}
    known = kept(thing(**strange), WANTED)
    assert len(known.annotations) == held.MOST_STRANGE
    assert max(map(len, known.annotations)) == held.LONGEST_NAME
    assert set(known.annotations.values()) == {""}


def test_a_value_that_is_too_long_is_cut_and_still_too_long() -> None:
    known = kept(thing(client_id="x" * 240_000), WANTED)
    assert len(known.annotations[CLIENT]) == annotations.LONGEST + 1


@pytest.mark.parametrize("sign", ["x", "\U0001f600"])
def test_an_object_that_is_too_large_is_not_held(sign: str) -> None:
    """One sign outside the BMP makes each of a text's signs take four bytes."""
    one = Held()
    one.put(thing(identities=sign + "x" * held.LARGEST), WANTED)
    assert one.get("shop", "app") is TO_READ
    assert one.bytes < 500
    assert one.largest > held.LARGEST


def test_an_object_of_several_kilobytes_is_held_and_so_are_very_many_of_the_usual_size() -> None:
    large, usual = Held(), Held()
    large.put(thing(identities="x" * 6000), WANTED)
    assert large.get("shop", "app") not in (None, TO_READ)
    usual.put(thing(client_id="11111111-1111-1111-1111-111111111111"), WANTED)
    assert usual.bytes * 40_000 < held.SHARE


def test_all_objects_together_take_no_more_than_their_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "SHARE", 100_000)
    one = Held()
    for number in range(1000):
        one.put(thing(f"a{number}", client_id=str(number)), WANTED)
    assert one.full
    assert 90_000 < one.bytes <= 100_000
    assert 100 < one.objects < 1000
    known = [one.get("shop", f"a{number}") for number in range(one.objects)]
    assert known.count(TO_READ) < 10, "only the last ones, and their names are known"
    assert TO_READ not in known[:100]
    for number in range(1000):
        one.drop("shop", f"a{number}")
    assert (one.bytes, one.objects) == (0, 0)


def test_an_object_that_changes_is_counted_once() -> None:
    one = Held()
    one.put(thing(client_id="x"), WANTED)
    size = one.bytes
    for _ in range(3):
        one.put(thing(client_id="y"), WANTED)
    assert (one.bytes, one.objects) == (size, 1)


def test_a_new_list_shares_what_is_the_same() -> None:
    before = Held()
    before.put(thing(client_id="x"), WANTED)
    again = Held(before)
    again.put(thing(client_id="x"), WANTED)
    again.put(thing("other", client_id="x"), WANTED)
    assert again.get("shop", "app") is before.get("shop", "app")
    assert again.get("shop", "other") is not again.get("shop", "app")
