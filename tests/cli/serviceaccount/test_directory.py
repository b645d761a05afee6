"""Identities by their client ids; ``azwi sa list`` and doctor's tests have the rest."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount.directory import Directory
from azwi_cli.serviceaccount.graph import Graph
from azwi_commands import Authority, Reply, serve
from azwi_commands.world import World

CLIENT = "0e1d2c3b-4a59-4687-9bac-d0e1f2a3b4c5"


def test_each_identity_is_asked_for_once(world: World) -> None:
    made = world.graph.create("cart")
    directory = Directory(world.peers())
    first = directory.look_up(made.client_id)
    asked = len(world.control.calls())
    assert first is not None
    assert first.target == made
    assert directory.look_up(made.client_id) is first
    assert len(world.control.calls()) == asked


def test_nothing_of_that_client_id_is_none(world: World) -> None:
    assert Directory(world.peers()).look_up(CLIENT) is None


def test_an_application_of_another_tenant_is_not_taken_for_gone(
    world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = world.peers()
    scope = peers.login.cloud.graph_scope
    peers.login.credential.get_token(scope)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with serve(authority.server()) as site:
        principal = Reply({"id": "p", "appId": CLIENT, "alternativeNames": []})
        site.replies[f"/v1.0/servicePrincipals(appId='{CLIENT}')"] = principal
        peers.graph = Graph(site.url, peers.login.credential, scope)
        directory = Directory(peers)
        for _ in range(2):
            with pytest.raises(errors.NotFound, match="registered in another tenant"):
                directory.look_up(CLIENT)
        assert directory.look_up(CLIENT.replace("0", "1")) is None  # Graph is asked still
