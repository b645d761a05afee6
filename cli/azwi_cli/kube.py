"""Talks to the API server through lightkube; the one place where its errors become ours.

The cluster is the one kubectl would ask: ``--kubeconfig``, ``$KUBECONFIG`` (of several files the
first that knows a name wins), ``~/.kube/config``, and inside a pod its service account.
"""

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from azwi_cli import errors, output

ContextOption = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig; else the current one.")
]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Kubeconfig; else as kubectl finds it.")
]

_PAGE_SECONDS: Final = 60  # a busy API server takes its time for 500 pods; its own limit is that
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}


class Cluster:
    """A cluster that can be asked; nothing is sent before the first question."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        self.config = _chosen(kubeconfig, context)

    def get(self, path: str) -> bytes:
        """The body at ``path`` of the API server, as it is; for what is no Kubernetes object."""
        import httpx2 as httpx

        with translated(self.config.cluster.server), httpx.Client(**self._connection) as client:
            answer = client.get(path)
            output.debug(f"GET {answer.url}: {answer.status_code}")
            answer.raise_for_status()
            return answer.content

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """The JSON object that answers a request; errors carry the API server's own sentence."""
        import json

        import httpx2 as httpx

        headers = {"Accept": accept, **({"Content-Type": content_type} if body is not None else {})}
        content = None if body is None else json.dumps(body).encode()
        server = self.config.cluster.server
        with translated(server), httpx.Client(**self._connection) as client:
            answer = client.request(method, path, content=content, headers=headers)
        output.debug(f"{method} {answer.url.path}: {answer.status_code}")
        try:
            read = answer.json()
        except ValueError:
            read = None
        if answer.status_code >= 400 or not isinstance(read, dict):
            if answer.status_code < 300:
                raise errors.Unavailable(
                    f"What answers at {server} is no API server of Kubernetes: {path} is no JSON"
                    " object there.",
                    "Look at the server that the kubeconfig names.",
                )
            message = read.get("message") if isinstance(read, dict) else None
            raise refused(server, answer.status_code, str(message or path))
        return read

    @contextmanager
    def session(self) -> Iterator[Any]:
        """An ``httpx2.Client`` for many requests with paths of the API server."""
        import httpx2 as httpx

        parameters = {**self._connection, "timeout": httpx.Timeout(_PAGE_SECONDS, connect=10)}
        with translated(self.config.cluster.server), httpx.Client(**parameters) as client:
            yield client

    def client(self) -> Any:
        """A ``lightkube.Client``; use it inside ``translated``."""
        import lightkube

        return lightkube.Client(self.config)

    @functools.cached_property
    def _connection(self) -> dict[str, Any]:
        """What a client needs; kept, so that a plugin logs in once and not for each request."""
        from lightkube.config import client_adapter

        parameters: dict[str, Any] = client_adapter.ConnectionParams().httpx_params(self.config)
        return parameters


@contextmanager
def translated(server: str) -> Iterator[None]:
    """What lightkube, HTTP and exec plugins raise, as errors of ours that name ``server``."""
    import httpx2 as httpx
    from lightkube.core.exceptions import ApiError, ConfigError

    from azwi_cli import connection_faults

    try:
        yield
    except ApiError as error:
        raise refused(server, error.status.code or 0, error.status.message or "") from error
    except httpx.HTTPStatusError as error:
        raise refused(server, error.response.status_code, error.request.url.path) from error
    except httpx.TimeoutException as error:
        raise errors.Unavailable(
            f"The API server {server} does not answer in time.", "Try again, or check the network."
        ) from error
    except httpx.TransportError as error:
        says, _ = connection_faults.explained(server, str(error))
        raise errors.Unavailable(
            f"The API server cannot be reached. {says}", "Does kubectl reach the cluster?"
        ) from error
    except ConfigError as error:
        raise errors.Denied(
            f"The kubeconfig gives no way to log in: {_first_line(error)}.", "Log in again."
        ) from error
    except (FileNotFoundError, subprocess.SubprocessError) as error:
        name = getattr(error, "filename", None) or "a program"
        raise errors.Denied(
            f"The kubeconfig logs in with {name}, which cannot be run.", "Install it, or log in."
        ) from error


def refused(server: str, status: int, what: str) -> errors.AzwiError:
    """The error for an answer of the API server that is none of success."""
    if status == 401:
        return errors.NoLogin(f"The API server {server} does not know you.", "Log in again.")
    if status == 403:
        return errors.Forbidden(
            f"The API server {server} does not allow it: {what}.",
            "Ask an administrator of the cluster for the permission.",
        )
    if status == 404:
        return errors.NotFound(f"The API server {server} has no such thing: {what}.")
    if status in (400, 409, 413, 422):
        return errors.Rejected(f"The API server {server} rejects it ({status}): {what}.")
    return errors.Unavailable(f"The API server {server} answers {status}: {what}.", "Try again.")


def _chosen(kubeconfig: Path | None, context: str | None) -> Any:
    """The configuration of one context, of ``lightkube``'s type SingleConfig."""
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.core.exceptions import ConfigError

    try:
        merged = _merged(_paths(kubeconfig))
        if merged is None:
            return KubeConfig.from_service_account(_SERVICE_ACCOUNT).get()
        return KubeConfig.from_dict(merged).get(context)
    except ConfigError as error:
        if kubeconfig is None and not os.environ.get("KUBECONFIG") and context is None:
            raise errors.NotFound(
                "No cluster is configured: there is no kubeconfig, and this is no pod.",
                "Name a kubeconfig with --kubeconfig, or set KUBECONFIG.",
            ) from error
        raise errors.BadInput(
            f"The kubeconfig cannot be used: {_first_line(error)}.",
            "kubectl config get-contexts lists the contexts that --context takes.",
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"The kubeconfig is incomplete ({_first_line(error)}).", "Does kubectl accept it?"
        ) from error


def _paths(given: Path | None) -> list[Path]:
    if given is not None:
        return [given]
    listed = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    home = Path("~/.kube/config").expanduser()
    return listed or ([home] if home.is_file() else [])


def _merged(paths: list[Path]) -> dict[str, Any] | None:
    """Kubeconfigs as one, in kubectl's way; None where there is none."""
    documents = [_read(path) for path in paths if len(paths) == 1 or path.exists()]
    if not documents:
        return None
    whole: dict[str, Any] = {"clusters": [], "contexts": [], "users": [], "current-context": None}
    for document in documents:
        whole["current-context"] = whole["current-context"] or document.get("current-context")
        for part in ("clusters", "contexts", "users"):
            known = {item["name"] for item in whole[part]}
            whole[part] += [item for item in document.get(part) or [] if item["name"] not in known]
    return whole


def _read(path: Path) -> dict[str, Any]:
    import yaml

    from azwi_cli import files

    try:
        document = yaml.safe_load(files.read(path, "a kubeconfig"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise errors.BadInput(
            f"{path} is not YAML{line}.", "Correct it, or name another."
        ) from None
    if not isinstance(document, dict):
        raise errors.BadInput(f"{path} is no kubeconfig.", "Name another one with --kubeconfig.")
    for kind, names in _FILES.items():
        for item in document.get(f"{kind}s") or []:
            _settle(item.get(kind) or {}, names, path.absolute().parent)
    return document


def _settle(part: dict[str, Any], file_names: tuple[str, ...], folder: Path) -> None:
    """Make paths absolute, since files of several folders are merged; accept exec's version v1."""
    for name in file_names:
        if part.get(name):
            part[name] = str(folder / part[name])
    plugin = part.get("exec") or {}
    if plugin.get("apiVersion") == "client.authentication.k8s.io/v1":
        # The answer of a plugin is the same in both; lightkube knows the older name only.
        plugin["apiVersion"] = "client.authentication.k8s.io/v1beta1"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
