"""Who sends to a forward proxy what is meant for azwi-proxy."""

from collections.abc import Mapping

import pytest

from azwi_cli import forwarding

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("variables", "takes"),
    [
        ({}, False),
        ({"HTTPS_PROXY": PROXY}, False),
        ({"HTTP_PROXY": ""}, False),
        ({"HTTP_PROXY": PROXY}, True),
        ({"http_proxy": PROXY}, True),
        ({"HTTP_PROXY": None}, True),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "127.0.0.1"}, False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": ".svc, 127.0.0.1:8000"}, False),
        ({"HTTP_PROXY": PROXY, "no_proxy": "*"}, False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "$(SPARED)"}, False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": None}, False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "localhost,127.0.0.0/8"}, True),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": ""}, True),
    ],
)
def test_a_forward_proxy_takes_loopback_unless_that_is_spared(
    variables: Mapping[str, str | None], takes: bool
) -> None:
    assert forwarding.takes_loopback(variables) is takes
