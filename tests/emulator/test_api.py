"""The table of routes that both APIs share."""

from collections.abc import Mapping

import pytest

from azwi_emulator import api
from azwi_emulator.api import Call, Reply, route
from azwi_emulator.cloud import Cloud


def _handler(_: Cloud, __: Call, ___: Mapping[str, str]) -> Reply:
    return Reply()


ROUTES = (route("GET", "/things/(?P<id>[^/]+)(?:/(?P<more>x))?", _handler),)


def test_a_path_is_found_whatever_the_case_of_its_segments() -> None:
    found = api.find(ROUTES, "GET", "/THINGS/Ab")
    assert found == (ROUTES[0], {"id": "Ab", "more": ""})


@pytest.mark.parametrize(("method", "path"), [("PUT", "/things/a"), ("GET", "/things")])
def test_another_method_or_path_is_not_found(method: str, path: str) -> None:
    assert api.find(ROUTES, method, path) is None


def test_methods_of_a_path_are_known() -> None:
    assert api.allowed(ROUTES, "/things/a") == ("GET",)
    assert api.allowed(ROUTES, "/nothing") == ()


@pytest.mark.parametrize(
    ("path", "normal"), [("//subscriptions/x/", "/subscriptions/x"), ("/", "/"), ("/a", "/a")]
)
def test_slashes_that_sdks_double_are_one(path: str, normal: str) -> None:
    assert api.normal(path) == normal
