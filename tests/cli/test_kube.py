"""The cluster that kubectl would ask, and what becomes of its refusals."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_cli import errors, kube
from azwi_commands import Authority, Reply, Site, serve
from azwi_testing import free_port

SECRET = "s3cret-bearer"


@pytest.fixture
def api(authority: Authority) -> Iterator[Site]:
    """What stands in for an API server."""
    with serve(authority.server()) as site:
        site.replies["/ok"] = Reply(b"fine")
        yield site


def config(server: str, ca: Path | str, user: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "clusters": [
            {"name": "c", "cluster": {"server": server, "certificate-authority": str(ca)}}
        ],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else user}],
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "main",
    }


def written(folder: Path, document: object, name: str = "config") -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump(document))
    return file


def test_a_cluster_is_asked_with_its_token(api: Site, authority: Authority, tmp_path: Path) -> None:
    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file)))
    assert cluster.get("/ok") == b"fine"
    assert api.asked[0][1]["authorization"] == f"Bearer {SECRET}"


def test_files_are_relative_to_the_kubeconfig(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    relative = os.path.relpath(authority.file, tmp_path)
    cluster = kube.Cluster(written(tmp_path, config(api.url, relative)))
    assert cluster.get("/ok") == b"fine"


def test_several_kubeconfigs_are_one(
    api: Site, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = config(api.url, authority.file)
    users = {"users": whole.pop("users"), "current-context": "ignored"}
    names = [written(tmp_path, whole, "a"), tmp_path / "absent", written(tmp_path, users, "b")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, names)))
    assert kube.Cluster().get("/ok") == b"fine"


def test_of_two_kubeconfigs_that_have_one_name_the_first_counts(
    api: Site, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        written(tmp_path, config(api.url, authority.file), "a"),
        written(tmp_path, config("https://127.0.0.1:1", authority.file), "b"),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, names)))
    assert kube.Cluster().get("/ok") == b"fine"


def test_the_context_can_be_chosen(api: Site, authority: Authority, tmp_path: Path) -> None:
    document = config(api.url, authority.file)
    document["current-context"] = "absent"
    file = written(tmp_path, document)
    with pytest.raises(errors.BadInput, match=r"Context 'absent' not found.*get-contexts"):
        kube.Cluster(file)
    assert kube.Cluster(file, "main").get("/ok") == b"fine"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_logs_in(version: str, api: Site, authority: Authority, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(f'#!/bin/sh\necho \'{{"status": {{"token": "{SECRET}"}}}}\'\n')
    plugin.chmod(0o755)
    login = {"apiVersion": f"client.authentication.k8s.io/{version}", "command": str(plugin)}
    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file, {"exec": login})))
    assert cluster.get("/ok") == b"fine"


@pytest.mark.parametrize("command", ["no-such-plugin", "false"])
def test_a_plugin_that_fails_is_told(
    command: str, api: Site, authority: Authority, tmp_path: Path
) -> None:
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": command}
    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file, {"exec": login})))
    with pytest.raises(errors.Denied, match=r"log in|Log in"):
        cluster.get("/ok")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.Denied),
        (403, errors.Denied),
        (404, errors.NotFound),
        (429, errors.Unavailable),
        (500, errors.Unavailable),
    ],
)
def test_a_refusal_is_ours_and_shows_no_token(
    status: int, kind: type[errors.AzwiError], api: Site, authority: Authority, tmp_path: Path
) -> None:
    api.replies["/no"] = Reply(b"", status)
    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file)))
    with pytest.raises(kind) as told:
        cluster.get("/no")
    assert told.value.remedy or kind is errors.NotFound
    assert SECRET not in str(told.value)


def test_objects_are_read_through_lightkube(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    from lightkube.resources.core_v1 import ServiceAccount

    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file)))
    path = "/api/v1/namespaces/shop/serviceaccounts/app"
    reason = {"kind": "Status", "code": 403, "message": "you may not", "status": "Failure"}
    api.replies[path] = Reply({**reason, "apiVersion": "v1"}, 403)
    with pytest.raises(errors.Denied, match="you may not"), kube.translated(api.url):
        cluster.client().get(ServiceAccount, "app", namespace="shop")


def test_a_server_that_is_away_is_told(authority: Authority, tmp_path: Path) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    cluster = kube.Cluster(written(tmp_path, config(server, authority.file)))
    with pytest.raises(errors.Unavailable, match=r"cannot be reached\. Nobody listens"):
        cluster.get("/ok")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("a: [", r"is not YAML \(line 1\)"),
        ("- a", "is no kubeconfig"),
        ("", "is no kubeconfig"),
        ("a: 1", "No current context"),
        ("current-context: x", "Context 'x' not found"),
        ("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]", "incomplete"),
        ("current-context: x\ncontexts: [{context: {cluster: c}}]", "incomplete"),
        ("clusters: [{name: c, cluster: {server: 5}}]", "incomplete"),
    ],
)
def test_a_kubeconfig_that_is_none_is_told(document: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(document)
    with pytest.raises(errors.BadInput, match=told):
        kube.Cluster(file)


def test_no_cluster_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(errors.NotFound, match="--kubeconfig"):
        kube.Cluster()


def test_a_kubeconfig_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="absent does not exist"):
        kube.Cluster(tmp_path / "absent")


def test_inside_a_pod_its_service_account_is_used(
    api: Site, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "namespace").write_text("shop")
    (tmp_path / "ca.crt").write_bytes(authority.file.read_bytes())
    host, _, port = api.url.removeprefix("https://").partition(":")
    monkeypatch.setattr(kube, "_SERVICE_ACCOUNT", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    cluster = kube.Cluster()
    assert cluster.get("/ok") == b"fine"
    assert cluster.config.namespace == "shop"
    assert api.asked[0][1]["authorization"] == f"Bearer {SECRET}"


# --- JSON requests --------------------------------------------------------------------------------


@pytest.fixture
def cluster(api: Site, authority: Authority, tmp_path: Path) -> kube.Cluster:
    return kube.Cluster(written(tmp_path, config(api.url, authority.file)))


def test_a_json_answer_is_read(api: Site, cluster: kube.Cluster) -> None:
    api.replies["/thing"] = Reply({"kind": "Thing"})
    assert cluster.ask("GET", "/thing", accept="application/json;as=Table") == {"kind": "Thing"}
    assert api.asked[-1][1]["accept"] == "application/json;as=Table"


def test_a_refusal_carries_the_api_servers_own_sentence(api: Site, cluster: kube.Cluster) -> None:
    api.replies["/thing"] = Reply({"kind": "Status", "message": "things are full"}, 403)
    with pytest.raises(errors.Denied, match="things are full"):
        cluster.ask("GET", "/thing")


@pytest.mark.parametrize("body", [b"[]", b"<html>", b""])
def test_what_is_no_json_object_is_told(api: Site, cluster: kube.Cluster, body: bytes) -> None:
    api.replies["/thing"] = Reply(body)
    with pytest.raises(errors.Unavailable, match="no API server of Kubernetes: /thing is no"):
        cluster.ask("GET", "/thing")


def test_a_plugin_logs_in_once_for_many_requests(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    plugin, log = tmp_path / "plugin", tmp_path / "log"
    answer = f'{{"status": {{"token": "{SECRET}"}}}}'
    plugin.write_text(f"#!/bin/sh\necho run >> {log}\necho '{answer}'\n")
    plugin.chmod(0o755)
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file, {"exec": login})))
    api.replies["/thing"] = Reply({"kind": "Thing"})
    for _ in range(3):
        cluster.ask("GET", "/thing")
    assert log.read_text() == "run\n"


@pytest.mark.parametrize("command", ["no-such-plugin", "false"])
def test_a_plugin_that_fails_is_told_here_too(
    command: str, api: Site, authority: Authority, tmp_path: Path
) -> None:
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": command}
    cluster = kube.Cluster(written(tmp_path, config(api.url, authority.file, {"exec": login})))
    with pytest.raises(errors.Denied, match=r"log in|Log in"):
        cluster.ask("GET", "/thing")
