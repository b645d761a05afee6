"""JSON Patch on plain data, against the library that the webhook's tests use."""

from typing import Any

import jsonpatch
import pytest

from azwi_cli.inject import pointers


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "add", "path": "/a/0", "value": {"x": 1}},
        {"op": "add", "path": "/b~1c/~0", "value": None},
        {"op": "add", "path": "/new", "value": []},
        {"op": "remove", "path": "/a/1"},
        {"op": "remove", "path": "/b~1c"},
    ],
)
def test_an_operation_does_what_jsonpatch_does(operation: dict[str, Any]) -> None:
    data = {"a": [1, 2], "b/c": {"~": 0}}
    wanted = jsonpatch.JsonPatch([operation]).apply(data)
    assert pointers.applied(data, [operation]) == wanted
    assert data == {"a": [1, 2], "b/c": {"~": 0}}


def test_pointers_start_where_they_are_told_to() -> None:
    data = {"items": [{"a": 1}, {"a": 1}]}
    done = pointers.applied(data, [{"op": "add", "path": "/a", "value": 2}], ("items", 1))
    assert done == {"items": [{"a": 1}, {"a": 2}]}


def test_what_an_alias_shares_is_changed_in_one_place() -> None:
    shared = [1]
    done = pointers.applied({"a": shared, "b": shared}, [{"op": "add", "path": "/a/-", "value": 2}])
    assert done == {"a": [1, 2], "b": [1]}
