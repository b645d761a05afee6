"""``azwi version``."""

import platform
from typing import Annotated, Any, Final

import typer

from azwi_cli import kube, output
from azwi_common import __version__

app: Final = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version(
    in_cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Say what runs in the cluster too: webhooks and sidecars."),
    ] = False,
    form: output.FormatOption = output.Format.TABLE,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Print the version of azwi, and with --cluster what runs there.

    Without it nobody is asked, so that it never waits.
    """
    found: dict[str, Any] = {
        "client": {"version": __version__, "python": platform.python_version()}
    }
    if in_cluster:
        from azwi_cli import installed

        found["cluster"] = installed.read(kube.Cluster(kubeconfig, context))
    output.show(found, form, _table)


def _table(found: Any) -> str:
    lines = [f"Version: {found['client']['version']}"]
    cluster = found.get("cluster")
    if cluster:
        lines.append(f"Kubernetes: {cluster['kubernetes']}")
        lines += [
            f"Webhook: {item['namespace']}/{item['name']}: {item['image']},"
            f" {item['ready']} of {item['replicas']} replicas ready"
            for item in cluster["webhooks"]
        ] or ["Webhook: none"]
        lines += [
            f"Sidecar: {item['image']} in {item['pods']} pods" for item in cluster["sidecars"]
        ]
    return "\n".join(lines)
