"""The table of codes: complete, and of one mind with azwi-proxy's."""

import pytest

from azwi_cli.doctor import codes
from azwi_proxy import aadsts

# Every code of the contract with Entra ID that this project was built by.
KNOWN = (
    70021, 700211, 700212, 700213, 7002138, 70025, 700222, 700223, 700238, 70052, 700024, 700027,
    50012, 50013, 50027, 90061, 900612, 700016, 70001, 7000112, 700229, 7000229, 90002, 900023,
    50194, 500011, 50001, 70011, 1002012, 700022, 28002, 901002, 7000215, 7000222, 7000218, 7000216,
    500341, 50196, 53003, 90033, 90006, 90012, 90024, 50033, 90013, 90038, 90055, 900382, 900432,
    100007,
)  # fmt: skip


def test_every_code_is_explained() -> None:
    assert set(KNOWN) == set(codes.CODES)


def test_every_code_that_the_proxy_decides_on_is_explained() -> None:
    assert set(aadsts.CODES) <= set(codes.CODES)


@pytest.mark.parametrize("code", aadsts.CODES)
def test_waiting_helps_where_the_proxy_tries_again(code: int) -> None:
    kind, waiting = aadsts.CODES[code].kind, codes.CODES[code].waiting
    if kind is aadsts.Kind.PROPAGATION:
        assert waiting == codes.MINUTES
    if kind in (aadsts.Kind.TRANSIENT, aadsts.Kind.THROTTLED):
        assert waiting.startswith("yes")
    if kind is aadsts.Kind.PERMANENT:
        assert not waiting.startswith("yes")


@pytest.mark.parametrize("known", [*codes.CODES.values(), *codes.MESSAGES.values()])
def test_every_explanation_is_sentences(known: codes.Explanation) -> None:
    for text in (known.meaning, known.cause, known.remedy):
        assert text.endswith(".")
    assert not known.waiting.endswith(".")


def test_texts_are_searched_in_lower_case() -> None:
    assert all(text == text.lower() for text in codes.MESSAGES)
