"""Operations on text: what is changed, and that nothing else is."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from azwi_cli.inject import edits, manifests, pointers

TEXT = """\
# head
a:   # of a
  # above b
  b: "x"     # of b
  list:
  - name: one   # of one
    value: 'q'
  # above two
  - {name: two,
     value: r}
  # below the list
  flow: [1, 2]
  map: {k: v}
  none: # of none
  empty: []  # of empty
  text: |
    several
    lines

# above z
z: 0
"""


def edit(op: str, path: str, value: Any = None, text: str = TEXT) -> str:
    operation = {"op": op, "path": path} | ({"value": value} if op == "add" else {})
    after = edits.edited(text, operation, ())
    assert manifests.parsed(after) == pointers.applied(manifests.parsed(text), [operation])
    return after


def test_an_item_is_put_behind_the_last_and_before_its_comments() -> None:
    after = edit("add", "/a/list/-", {"name": "three", "value": "true"})
    new = '  - name: three\n    value: "true"\n'
    assert after == TEXT.replace("  # below the list\n", new + "  # below the list\n")


ANCHORED = """\
a: &map   # of map
  b: 1  # of b
  list: &list
    # above one
    - one
    -   name: two  # of two
        value: 2
c: !!map
    d: 1
    e: 2
"""


@pytest.mark.parametrize(
    ("op", "path", "value", "lines", "instead"),
    [
        ("add", "/a/list/-", "x", "        value: 2\n", "        value: 2\n    - x\n"),
        ("add", "/a/list/0", "x", "    # above one\n", "    - x\n    # above one\n"),
        ("remove", "/a/list/0", None, "    - one\n", ""),
        ("remove", "/a/b", None, "  b: 1  # of b\n", ""),
        ("remove", "/c/e", None, "    e: 2\n", ""),
    ],
)
def test_an_anchor_or_a_tag_is_no_place_of_a_blocks_lines(
    op: str, path: str, value: Any, lines: str, instead: str
) -> None:
    assert edit(op, path, value, ANCHORED) == ANCHORED.replace(lines, instead)


def test_an_item_is_put_first_below_its_name() -> None:
    after = edit("add", "/a/list/0", {"name": "zero"})
    assert after == TEXT.replace("  list:\n", "  list:\n  - name: zero\n")


def test_an_item_is_put_between_two_and_above_the_comment_of_the_second() -> None:
    after = edit("add", "/a/list/1", "new")
    assert after == TEXT.replace("  # above two\n", "  - new\n  # above two\n")


def test_a_member_is_put_behind_a_block_of_text() -> None:
    after = edit("add", "/a/new", [{"x": [1]}])
    assert after == TEXT.replace("\n# above z", "\n  new:\n  - x:\n    - 1\n# above z")


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("/a/flow/-", "[1, 2]", '[1, 2, "3"]'),
        ("/a/flow/1", "[1, 2]", '[1, "3", 2]'),
        ("/a/map/l", "{k: v}", '{k: v, "l": "3"}'),
        ("/a/map/k", "{k: v}", '{k: "3"}'),
    ],
)
def test_what_is_in_brackets_stays_there(path: str, old: str, new: str) -> None:
    assert edit("add", path, "3") == TEXT.replace(old, new)


def test_null_and_empty_are_replaced_and_their_comments_stay() -> None:
    assert edit("add", "/a/none", ["x"]) == TEXT.replace(
        "none: # of none", "none: # of none\n  - x"
    )
    assert edit("add", "/a/empty", ["x"]) == TEXT.replace(
        "empty: []  # of empty", "empty: # of empty\n  - x"
    )


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("/a/list/0", "  - name: one   # of one\n    value: 'q'\n"),
        ("/a/list/1", "  - {name: two,\n     value: r}\n"),
        ("/a/list/0/name", "name: one   # of one\n    "),
        ("/a/list/0/value", "    value: 'q'\n"),
        ("/a/list/1/value", ",\n     value: r"),
        ("/a/flow/0", "1, "),
        ("/a/b", '  b: "x"     # of b\n'),
        ("/z", "z: 0\n"),
    ],
)
def test_what_is_removed_takes_nothing_with_it(path: str, gone: str) -> None:
    assert edit("remove", path) == TEXT.replace(gone, "")


def test_lists_are_indented_as_the_document_indents_them() -> None:
    assert edit("add", "/b", ["x"], "a:\n  - y\n") == "a:\n  - y\nb:\n  - x\n"
    assert edit("add", "/b", ["x"], "a:\n- y\n") == "a:\n- y\nb:\n- x\n"


def test_lines_end_as_the_documents_do_and_a_last_line_is_ended() -> None:
    assert edit("add", "/b", 1, "a: 1\r\nc: 2\r\n") == "a: 1\r\nc: 2\r\nb: 1\r\n"
    assert edit("add", "/b", 1, "a: 1") == "a: 1\nb: 1\n"


@pytest.mark.parametrize(
    "text", ["yes", "on", "8000", "1e3", "true", "~", "", "0x1", "a: b", "#", "1:30", "=", "y"]
)
def test_text_is_text_for_every_reader(text: str) -> None:
    assert edit("add", "/b", text, "a: 1\n") == f'a: 1\nb: "{text}"\n'


@pytest.mark.parametrize(
    "text", ["app", "api://X", "registry.example/a-b:1.0", "--port=80", "/var/run"]
)
def test_plain_text_has_no_quotes(text: str) -> None:
    assert edit("add", "/b", text, "a: 1\n") == f"a: 1\nb: {text}\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x [1]\nb: *x\n", "/b/-"),
        ("a: &x [1]\nb: *x\n", "/a/-"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "/c/d"),
        ("a: {}\n", "/b/c"),
        ("a: 1\n", "/a/b"),
    ],
)
def test_what_text_cannot_do_is_said(text: str, path: str) -> None:
    with pytest.raises(edits.CannotEdit):
        edits.edited(text, {"op": "add", "path": path, "value": 1}, ())


WORDS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=8)  # as manifests have them
ITEMS = """\
# head
items:
- a: 1   # of a
  # above b
  b:
  - x
# between
- {a: 1}
- c:
    d: {}
kind: List
"""


def test_the_items_of_a_list_are_edited_each_for_itself() -> None:
    changes: dict[int, list[pointers.Change]] = {
        0: [(("b",), {"op": "add", "path": "/-", "value": "z"})],
        1: [((), {"op": "add", "path": "/e", "value": 2})],
        2: [
            (("c",), {"op": "add", "path": "/f", "value": [1]}),
            ((), {"op": "remove", "path": "/c/d"}),
        ],
    }
    assert edits.edited_items(ITEMS, changes) == ITEMS.replace("  - x\n", "  - x\n  - z\n").replace(
        "{a: 1}", '{a: 1, "e": 2}'
    ).replace("    d: {}\n", "    f:\n      - 1\n")


def test_items_that_share_an_alias_cannot_be_edited() -> None:
    text = "items:\n- a: &x [1]\n- b: *x\n"
    with pytest.raises(edits.CannotEdit):
        edits.edited_items(text, {1: [((), {"op": "add", "path": "/c", "value": 1})]})


SCALARS = st.none() | st.booleans() | st.integers() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES, min_size=1, max_size=4),
    VALUES,
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300)
def test_whatever_is_put_in_is_read_again(
    data: Any, value: Any, flow: bool, at_first: bool
) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow or None, allow_unicode=True)
    for name, old in data.items():
        path = (
            f"/{name}"
            if not isinstance(old, list)
            else f"/{name}/{'0' if at_first and old else '-'}"
        )
        operation = {"op": "add", "path": path, "value": value}
        wanted = pointers.applied(manifests.parsed(text), [operation])
        try:
            after = edits.edited(text, operation, ())
        except edits.CannotEdit:
            assert old is not None  # a value that is there is never overwritten in block style
            continue
        assert manifests.parsed(after) == wanted
