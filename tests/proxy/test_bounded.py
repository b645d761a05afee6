"""What is kept is bounded in bytes."""

import sys
from collections import Counter

from azwi_proxy import bounded


def test_short_texts_are_kept_and_long_ones_are_answered_each_time() -> None:
    asked: Counter[str] = Counter()

    @bounded.cached(16)
    def length(text: str) -> int:
        asked[text] += 1
        return len(text)

    short, long = "a" * 100, "a" * bounded.LONGEST
    assert [length(short), length(short)] == [100, 100]
    assert [length(long), length(long)] == [bounded.LONGEST] * 2
    assert asked == {short: 1, long: 2}


def test_one_character_outside_the_bmp_makes_a_text_four_times_as_long() -> None:
    asked: Counter[str] = Counter()

    @bounded.cached(16)
    def length(text: str) -> int:
        asked[text] += 1
        return len(text)

    text = "a" * (bounded.LONGEST // 2)
    wide = text[:-1] + "\U0001f511"
    assert sys.getsizeof(text) < bounded.LONGEST < sys.getsizeof(wide)
    for _ in range(2):
        length(text)
        length(wide)
    assert asked == {text: 1, wide: 2}


def test_the_texts_of_one_call_count_together() -> None:
    asked: Counter[str] = Counter()

    @bounded.cached(16)
    def join(query: str, form: str) -> str:
        asked[form] += 1
        return query + form

    half = "a" * (bounded.LONGEST // 2)
    for _ in range(2):
        join("", half)
        join(half, half + "b")
    assert asked == {half: 1, half + "b": 2}
