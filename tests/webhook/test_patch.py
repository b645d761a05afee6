"""Operations of a JSON Patch, applied by a library that is not ours."""

from typing import Any

import jsonpatch
import pytest

from azwi_webhook import patch


def applied(document: Any, *operations: patch.Operation) -> Any:
    return jsonpatch.JsonPatch(list(operations)).apply(document)


def test_names_with_slashes_and_tildes_are_escaped() -> None:
    path = patch.pointer("metadata", "annotations", "a.example/b~c", 0)
    assert path == "/metadata/annotations/a.example~1b~0c/0"
    given: dict[str, Any] = {"metadata": {"annotations": {"a.example/b~c": [1]}}}
    assert applied(given, patch.remove(path))["metadata"]["annotations"] == {"a.example/b~c": []}


@pytest.mark.parametrize("given", [{}, {"list": None}, {"list": []}])
def test_a_missing_array_is_made_in_one_operation(given: dict[str, Any]) -> None:
    operations = patch.append("/list", given.get("list") or [], [1, 2])
    assert len(operations) == 1
    assert applied(given, *operations) == {"list": [1, 2]}


def test_elements_are_appended_one_by_one_and_the_array_is_kept() -> None:
    operations = patch.append("/list", [0], [1, 2])
    assert [operation["path"] for operation in operations] == ["/list/-", "/list/-"]
    assert applied({"list": [0]}, *operations) == {"list": [0, 1, 2]}


def test_nothing_to_append_is_no_operation() -> None:
    assert patch.append("/list", [], []) == patch.insert("/list", [0], 0, []) == []


@pytest.mark.parametrize(("at", "after"), [(0, [1, 2, 8, 9]), (1, [8, 1, 2, 9])])
def test_elements_are_inserted_in_their_order(at: int, after: list[int]) -> None:
    assert applied({"list": [8, 9]}, *patch.insert("/list", [8, 9], at, [1, 2])) == {"list": after}


def test_a_new_array_is_not_the_callers() -> None:
    new = [1]
    (operation,) = patch.append("/list", [], new)
    assert operation["value"] == new
    assert operation["value"] is not new
