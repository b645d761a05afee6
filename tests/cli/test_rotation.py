"""Where a rotation stands: a table of what is published, who signs, and when."""

from dataclasses import replace

import pytest

from azwi_cli import rotation
from azwi_cli.errors import Code
from azwi_cli.rotation import Facts, Signer, Step

NOW = 1_800_000_000.0
HOUR = 3600
BASE = Facts(
    issuer="https://issuer.example/",
    old_file="old.pub",
    new_file="new key.pub",
    old="OLD",
    new="NEW",
    published=("OLD",),
    now=NOW,
)
BOTH = ("OLD", "NEW")


def signer(kid: str, hours_ago: float) -> Signer:
    return Signer(kid, int(NOW - hours_ago * HOUR))


@pytest.mark.parametrize(
    ("published", "written", "signs", "step"),
    [
        (("OLD",), None, None, Step.PUBLISH_BOTH),
        (("OLD",), 0, signer("OLD", 0), Step.PUBLISH_BOTH),
        (("OLD", "THIRD"), None, None, Step.PUBLISH_BOTH),
        (BOTH, 0.5, None, Step.WAIT_FOR_READERS),
        (BOTH, 0.5, signer("OLD", 0), Step.WAIT_FOR_READERS),
        (BOTH, 1.1, None, Step.SWITCH),
        (BOTH, 1.1, signer("OLD", 0), Step.SWITCH),
        (BOTH, 1.1, signer("OLD", 99), Step.SWITCH),
        (BOTH, None, None, Step.SWITCH),
        (BOTH, 0.5, signer("NEW", 0), Step.WAIT_FOR_TOKENS),
        (BOTH, 99, signer("NEW", 23), Step.WAIT_FOR_TOKENS),
        (BOTH, 99, signer("NEW", 25), Step.DROP_OLD),
        (("NEW",), 99, None, Step.DONE),
        (("NEW",), 99, signer("NEW", 25), Step.DONE),
        (("NEW",), 99, signer("NEW", 0), Step.DONE),
        (("NEW",), 99, signer("OLD", 25), Step.DONE),
        (("NEW",), 0, signer("OLD", 1), Step.DROPPED_EARLY),
        (("OLD",), 0, signer("NEW", 0), Step.UNPUBLISHED_SIGNER),
        (BOTH, 0, signer("THIRD", 0), Step.UNPUBLISHED_SIGNER),
        (("THIRD",), 0, signer("THIRD", 0), Step.OTHER_KEYS),
        (("THIRD",), None, None, Step.OTHER_KEYS),
        ((), None, None, Step.OTHER_KEYS),
    ],
)
def test_the_step_follows_from_what_is_so(
    published: tuple[str, ...], written: float | None, signs: Signer | None, step: Step
) -> None:
    at = None if written is None else NOW - written * HOUR
    facts = replace(BASE, published=published, published_at=at, signer=signs)
    place = rotation.place(facts)
    assert place.step is step
    assert place.true_now
    assert place.next


def test_a_whole_rotation_goes_forward_step_by_step() -> None:
    """Somebody does what each step says, and nothing is remembered between them."""
    facts, steps = BASE, []
    for _ in range(10):
        place = rotation.place(facts)
        steps.append(place.step)
        if place.step is Step.PUBLISH_BOTH:
            facts = replace(facts, published=BOTH, published_at=facts.now)
        elif place.step in (Step.WAIT_FOR_READERS, Step.WAIT_FOR_TOKENS):
            assert place.until is not None
            facts = replace(facts, now=place.until)
        elif place.step is Step.SWITCH:
            facts = replace(facts, signer=Signer("NEW", int(facts.now)))
        elif place.step is Step.DROP_OLD:
            facts = replace(facts, published=("NEW",), published_at=facts.now)
    assert list(dict.fromkeys(steps)) == list(Step)[:6]


def test_readers_are_given_as_long_as_the_cache_header_allows() -> None:
    facts = replace(BASE, published=BOTH, published_at=NOW - 2 * HOUR, max_age=3 * HOUR)
    place = rotation.place(facts)
    assert (place.step, place.until) == (Step.WAIT_FOR_READERS, NOW + HOUR)


def test_a_shorter_longest_token_shortens_the_wait() -> None:
    facts = replace(BASE, published=BOTH, signer=signer("NEW", 2), longest_token=HOUR)
    assert rotation.place(facts).step is Step.DROP_OLD


def test_without_last_modified_the_wait_is_left_to_the_reader() -> None:
    place = rotation.place(replace(BASE, published=BOTH))
    assert "60 minutes ago" in place.next[0]


def test_commands_can_be_pasted() -> None:
    place = rotation.place(BASE)
    assert (
        "azwi oidc generate https://issuer.example/ --public-keys 'old.pub,new key.pub'"
        " --output-dir issuer --force" in place.next[0]
    )


def test_it_says_what_the_api_server_accepts_where_it_was_asked() -> None:
    said = rotation.place(replace(BASE, accepted=("OLD", "THIRD"))).true_now
    assert "The API server verifies with the old key, THIRD." in said


def test_a_fresh_token_after_the_end_only_reminds() -> None:
    place = rotation.place(replace(BASE, published=("NEW",), signer=signer("NEW", 0)))
    assert "in the last 24 h" in place.next[-1]
    assert rotation.exit_code(place) is Code.DONE


@pytest.mark.parametrize("step", Step)
def test_exit_codes_tell_done_from_to_do_from_broken(step: Step) -> None:
    code = rotation.exit_code(rotation.Place(step, (), ()))
    expected = {Step.DONE: Code.DONE, **dict.fromkeys(rotation.BROKEN, Code.FAILED)}
    assert code is expected.get(step, Code.ATTENTION)
