"""Filters, selections and pages."""

import contextlib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azwi_emulator import odata
from azwi_emulator.odata import BadQuery, Term

ITEM = {"displayName": "Shop's cart", "appId": "AB", "empty": None}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("displayName eq 'Shop''s cart'", True),
        ("displayName eq 'shop''s CART'", True),
        ("displayName eq 'Shop'", False),
        ("startswith(displayName,'Shop')", True),
        ("appId eq 'ab' and displayName eq 'x'", False),
        ("appId eq 'x' or startswith(displayName, 'shop')", True),
        ("appId eq 'x' or appId eq 'ab' and displayName eq 'Shop''s cart'", True),
        ("displayName eq 'a and b'", False),
        ("empty eq ''", True),
    ],
)
def test_a_filter_passes_what_it_describes(text: str, passes: bool) -> None:
    assert odata.parse_filter(text).holds(ITEM) is passes


@pytest.mark.parametrize(
    "text",
    ["", "displayName", "displayName eq x", "displayName ne 'x'", "appId eq 'x' and", "a eq 'x')"],
)
def test_a_filter_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadQuery, match="cannot be understood"):
        odata.parse_filter(text)


@pytest.mark.parametrize("text", ["nothing eq 'x'", "atScope()"])
def test_a_filter_by_what_an_object_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(BadQuery, match="not supported"):
        odata.parse_filter(text).holds(ITEM)


def test_bare_functions_and_comparisons_are_terms() -> None:
    assert odata.parse_filter("principalId eq 'p' and atScope()").terms() == (
        Term("eq", "principalId", "p"),
        Term("function", "atScope", ""),
    )
    with pytest.raises(BadQuery, match="'or'"):
        odata.parse_filter("principalId eq 'p' or atScope()").terms()


@given(st.text())
def test_any_text_compares_as_itself(text: str) -> None:
    quoted = text.replace("'", "''")
    assert odata.parse_filter(f"appId eq '{quoted}'").holds({"appId": text})


@given(st.text())
def test_any_filter_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(BadQuery):
        odata.parse_filter(text)


def test_a_selection_leaves_out_the_rest_but_annotations() -> None:
    assert odata.select({"@odata.context": "c", "a": 1, "b": 2, "": 3}, "b, x") == {
        "@odata.context": "c",
        "b": 2,
    }
    assert odata.select(ITEM, "") == ITEM


def _walk(items: list[int], size: int, **query: str) -> list[list[int]]:
    pages, query = [], {f"${name}": value for name, value in query.items()}
    while True:
        here, link = odata.page(items, query, size=size, link=str)
        pages.append(list(here))
        if link is None:
            return pages
        query = {**query, "$skiptoken": link}


def test_pages_follow_each_other_without_a_gap() -> None:
    assert _walk([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
    assert _walk([1, 2], 2) == [[1, 2]]
    assert _walk([], 2) == [[]]
    assert _walk([1, 2, 3], 100, top="1") == [[1], [2], [3]]


@pytest.mark.parametrize(
    "query", [{"$top": "0"}, {"$top": "x"}, {"$top": "000001" * 999}, {"$skiptoken": "-"}]
)
def test_a_page_that_does_not_exist_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(BadQuery):
        odata.page([1], query, size=10, link=str)


def test_the_link_keeps_the_query_and_is_a_valid_url() -> None:
    link = odata.next_link("https://h/arm", "/a b", {"api-version": "1", "$skiptoken": "x"}, "yz")
    assert urlsplit(link).path == "/arm/a%20b"
    assert parse_qs(urlsplit(link).query) == {"api-version": ["1"], "$skiptoken": ["yz"]}
