"""Nobody reads a header that the table does not name."""

from collections.abc import Iterator
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy

from azwi_common.proxy_settings import Settings
from azwi_common.proxy_values import FilePath
from azwi_proxy import errors, headers
from azwi_proxy.app import App

TOKEN = "/metadata/identity/oauth2/token?resource=https://vault.azure.net"
EVERY_ROUTE = [
    ("GET", TOKEN), ("HEAD", TOKEN), ("GET", "/msi/token?resource=r"), ("PUT", "/msi/token"),
    ("GET", "/msi/token?api-version=2017-09-01&resource=r"), ("GET", "/metadata/identity/info"),
    ("GET", "/metadata/identity/x"), ("GET", "/metadata"), ("GET", "/readyz"), ("GET", "/healthz"),
    ("GET", "/metrics"), ("GET", "/metadata/%u0041"), ("CONNECT", "/x"), ("POST", "/metrics"),
    ("GET", "/metadata/instance"),
]  # fmt: skip


class Recording(CIMultiDictProxy[str]):
    """Headers that note by which names they are read."""

    names: ClassVar[set[str]] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def getall(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().getall(name, default)

    def getone(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().getone(name, default)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all headers were read")

    def items(self) -> Any:
        raise AssertionError("all headers were read")

    def keys(self) -> Any:
        raise AssertionError("all headers were read")

    def values(self) -> Any:
        raise AssertionError("all headers were read")


@pytest.fixture
def app() -> App:
    return App(
        Settings(
            token_file=FilePath("/nowhere"),
            client_id="11111111-1111-1111-1111-111111111111",  # type: ignore[arg-type]  # as parsed
            tenant_id="22222222-2222-2222-2222-222222222222",  # type: ignore[arg-type]  # as parsed
            identity_header="0123456789abcdef",  # type: ignore[arg-type]  # as parsed
            forward="none",
        )
    )


@pytest.mark.parametrize(("method", "target"), EVERY_ROUTE)
async def test_handlers_read_headers_by_the_names_of_the_table_alone(
    app: App, method: str, target: str
) -> None:
    given = CIMultiDict(
        {
            "Host": "169.254.169.254",
            "Metadata": "true",
            "Secret": "0123456789abcdef",
            "X-IDENTITY-HEADER": "0123456789abcdef",
        }
    )
    request = make_mocked_request(method, target, headers=given)
    Recording.names = set()
    recording = Recording(CIMultiDict(given))
    vars(request)["_headers"] = recording
    assert request.headers is recording
    await app.handle(request)
    assert Recording.names
    assert Recording.names <= set(headers.READ)


async def test_the_form_of_a_post_is_read_by_the_names_of_the_table_alone(app: App) -> None:
    request = make_mocked_request("POST", TOKEN, headers=CIMultiDict({"Host": "localhost"}))
    Recording.names = set()
    vars(request)["_headers"] = Recording(
        CIMultiDict({"Host": "localhost", "Metadata": "true", "Content-Type": "text/plain"})
    )
    request.content.set_exception(errors.BadRequest("no more"))
    await app.handle(request)
    assert {"Metadata", "Expect"} <= Recording.names <= set(headers.READ)


def test_the_table_of_what_aiohttp_reads_is_that_of_the_version_in_use() -> None:
    assert aiohttp.__version__ == headers.AIOHTTP, (
        "Look in web_protocol, web_request, http_parser and _http_parser.pyx of the new version for"
        " the names of request headers that it reads or refuses, then correct azwi_proxy.headers"
    )
