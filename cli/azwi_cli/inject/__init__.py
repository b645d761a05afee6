"""``azwi inject``: what the webhook would do with the pods of files, without a cluster.

``manifests`` reads, ``offline`` asks the webhook's own decisions, ``writing`` puts the patch into
the text (``edits``, or ``trees``); ``removal`` is the way back, ``rewrite`` the rim of files, and
``uninject`` the other command.
"""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from azwi_cli import kube, output
from azwi_cli.inject import options
from azwi_common import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azwi_cli.inject import offline

app: Final = typer.Typer(add_completion=False, rich_markup_mode=None)

FromClusterOption = Annotated[
    bool,
    typer.Option(
        "--from-cluster",
        help="Read service accounts, namespaces and the version from the cluster.",
    ),
]


@app.command()
def inject(
    filename: options.FilesOption,
    output_file: options.OutputOption = None,
    in_place: options.InPlaceOption = False,
    service_account_file: options.AccountsOption = None,
    from_cluster: FromClusterOption = False,
    namespace: options.NamespaceOption = "default",
    tenant_id: options.TenantOption = "",
    azure_env: options.AzureEnvOption = "AzurePublicCloud",
    proxy_image: options.ProxyImageOption = "",
    proxy_init_image: options.InitImageOption = "",
    kubernetes_version: options.KubernetesOption = "1.32",
    more: options.SetOption = None,
    force: output.ForceOption = False,
    dry_run: output.DryRunOption = False,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Do to the pods of files what the webhook would do.

    Pods and pod templates of every kind are completed where they take part, as in a cluster: by the
    label azure.workload.identity/use. All else, comments too, stays as it is written. Where a pod
    must be refused, every refusal is said and nothing is written.
    """
    import secrets

    from azwi_cli.inject import offline, rewrite

    target = rewrite.Target(output_file, in_place, force, dry_run)
    target.check(filename)
    found = rewrite.read(filename)
    beside = rewrite.read(service_account_file or ())
    given = [document for read in (found, beside) for file in read.values() for document in file]
    variables = options.variables(
        more,
        tenant_id=tenant_id,
        azure_env=azure_env,
        proxy_image=proxy_image,
        init_image=proxy_init_image,
    )
    known = offline.Known(
        accounts=offline.accounts(given, namespace),
        namespaces=offline.namespaces(given),
        settings=offline.settings(variables),
        minor=options.minor(kubernetes_version),
        namespace=namespace,
    )
    if from_cluster:
        from azwi_cli.inject import live

        known = live.completed(known, offline.templates(given), kube.Cluster(kubeconfig, context))
    outcomes = rewrite.decided(
        found, lambda template: offline.injected(template, known, secrets.token_urlsafe(32))
    )
    _say(outcomes)
    rewrite.write(found, outcomes, target)


def _say(outcomes: "Sequence[offline.Outcome]") -> None:
    if not any(item.takes_part for item in outcomes):
        output.note('No pod takes part: none has the label azure.workload.identity/use: "true".')
    if any(_tells_a_secret(item) for item in outcomes):
        output.note(
            "Warning: the result holds the value of IDENTITY_HEADER, which guards azwi-proxy in the"
            " pod: keep it as you keep secrets."
        )


def _tells_a_secret(outcome: "offline.Outcome") -> bool:
    """Whether a value that is for this pod alone is written out (environment mode)."""
    return any(contract.IDENTITY_HEADER in str(operation) for _, operation in outcome.changes)
