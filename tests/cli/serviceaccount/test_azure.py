"""What Graph and ARM have in common: retries that end, trust, and errors as sentences."""

from typing import Literal

import pytest
from azure.core.exceptions import HttpResponseError

from azwi_cli import errors
from azwi_cli.serviceaccount import azure, refusals
from azwi_commands.world import World
from azwi_emulator.messages import Fault


def rest(world: World) -> azure.Rest:
    peers = world.peers()
    cloud = peers.login.cloud
    return azure.Rest(cloud.graph, peers.login.credential, cloud.graph_scope)


def test_a_list_is_read_page_by_page(world: World) -> None:
    for number in range(5):
        world.graph.create(f"app-{number}")
    asked = rest(world)
    found = [app["displayName"] for app in asked.pages("/v1.0/applications", {"$top": "2"})]
    assert found == [f"app-{number}" for number in range(5)]
    assert len(world.control.calls("graph")) - 10 == 3


def test_a_post_whose_answer_is_lost_is_not_sent_again(world: World) -> None:
    world.control.fault(Fault(kind="truncate", at=("graph",)))
    with pytest.raises(errors.Unavailable), azure.translated(refusals.graph("https://g")):
        rest(world).ask("POST", "/v1.0/applications", {"displayName": "once"})
    world.control.clear_faults()
    posts = [call for call in world.control.calls("graph") if call.method == "POST"]
    assert len(posts) == 1


def test_a_get_that_breaks_is_sent_again(world: World) -> None:
    world.control.fault(Fault(kind="reset", at=("graph",), times=2))
    assert rest(world).ask("GET", "/v1.0/applications")["value"] == []


def test_waiting_for_what_heals_ends(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(azure, "PATIENCE", 2.0)
    tried = 0

    def act() -> None:
        nonlocal tried
        tried += 1
        rest(world).ask("GET", "/v1.0/applications/none")

    with pytest.raises(HttpResponseError):
        azure.again_while(act, lambda error: error.status_code == 404)
    assert tried > 2
    assert "Azure is not ready (Request_ResourceNotFound)" in world.capture()[1]
    tried = 0
    with pytest.raises(HttpResponseError):
        azure.again_while(act, lambda error: False)
    assert tried == 1


def test_a_refused_token_is_a_sentence_and_denied(world: World) -> None:
    world.control.fault(Fault(kind="aadsts", code=700016))
    with pytest.raises(errors.Denied) as caught:
        world.graph.by_name("x")
    assert "AADSTS700016" in str(caught.value)
    assert "--azure-env" in str(caught.value)


@pytest.mark.parametrize(("at", "name"), [("graph", "Microsoft Graph"), ("arm", "Azure Resource")])
@pytest.mark.parametrize("body", ["<html>Sign in to the network</html>", "[]"])
def test_an_answer_of_somebody_else_is_told(
    world: World, at: Literal["graph", "arm"], name: str, body: str
) -> None:
    """As of a proxy that wants a login first."""
    world.control.fault(Fault(kind="answer", at=(at,), status=200, body=body))
    with pytest.raises(errors.Unavailable, match=f"{name}.* answers with what is none of its"):
        world.graph.by_name("x") if at == "graph" else world.arm.identity("azwi", "x")


def test_a_login_host_that_answers_with_something_else_is_told(world: World) -> None:
    world.control.fault(Fault(kind="garbage", at=("metadata",)))
    with pytest.raises(errors.Unavailable, match="Entra ID answers with what is none of its"):
        world.graph.by_name("x")


def test_a_certificate_that_is_not_trusted_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name)
    with pytest.raises(errors.AzwiError) as caught:
        world.graph.by_name("x")
    assert "certificate" in str(caught.value).lower()


def test_ssl_cert_file_alone_is_trusted_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert world.graph.by_name("x") is None


def test_every_client_gives_up_in_minutes() -> None:
    chosen = azure.options()
    assert chosen["connection_timeout"] <= 10
    assert chosen["read_timeout"] <= 60
    assert chosen["timeout"] <= 120
