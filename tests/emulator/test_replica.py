"""What readers see of a write, and when."""

from hypothesis import given
from hypothesis import strategies as st

from azwi_emulator.replica import Table


def test_without_a_lag_a_write_is_seen_at_once() -> None:
    table: Table[str] = Table()
    table.put("a", "one", now=0, lag=0)
    assert (table.get("a"), table.seen("a", 0)) == ("one", "one")
    table.remove("a", now=0, lag=0)
    assert (table.get("a"), table.seen("a", 0)) == (None, None)


def test_a_new_value_is_true_at_once_and_seen_later() -> None:
    table: Table[str] = Table()
    table.put("a", "one", now=10, lag=5)
    assert table.get("a") == "one"
    assert [table.seen("a", now) for now in (10, 14.9, 15)] == [None, None, "one"]
    assert (table.all_seen(14), table.all_seen(15), list(table.all())) == ([], ["one"], ["one"])


def test_a_changed_value_is_seen_as_it_was_before() -> None:
    table: Table[str] = Table()
    table.put("a", "one", now=0, lag=0)
    table.put("a", "two", now=10, lag=5)
    assert [table.seen("a", now) for now in (14, 15)] == ["one", "two"]


def test_a_deleted_value_is_still_seen_for_a_while() -> None:
    table: Table[str] = Table()
    table.put("a", "one", now=0, lag=0)
    table.remove("a", now=10, lag=5)
    assert table.get("a") is None
    assert [table.seen("a", now) for now in (14, 15)] == ["one", None]


def test_of_two_quick_writes_readers_see_what_they_saw_until_the_last() -> None:
    table: Table[str] = Table()
    table.put("a", "one", now=0, lag=5)
    table.put("a", "two", now=1, lag=5)
    assert [table.seen("a", now) for now in (5, 6)] == [None, "two"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(), st.floats(0, 9))))
def test_in_the_end_readers_see_what_is_true(writes: list[tuple[str, int | None, float]]) -> None:
    table: Table[int] = Table()
    for now, (key, value, lag) in enumerate(writes):
        if value is None:
            table.remove(key, now=now, lag=lag)
        else:
            table.put(key, value, now=now, lag=lag)
    assert table.all_seen(1e9) == list(table.all())
