"""``azwi doctor``: says why a pod gets no token.

``collect`` asks the cluster for ``facts``, ``within`` a running azwi-proxy, ``offline_facts``
reads files, ``entra`` asks Azure; ``examine`` has the checks in their order, each module of them
pure. ``messages`` and ``codes`` explain Entra ID's errors.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from azwi_cli import kube, output
from azwi_cli.serviceaccount import groups, options

if TYPE_CHECKING:
    from azwi_cli.doctor.examine import Patient
    from azwi_cli.doctor.facts import Facts

_DEFAULT: Final = "check"


class _Doctor(TyperGroup):
    """``azwi doctor shop`` is ``azwi doctor check shop``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the base class does it, with the command that is meant."""
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = [_DEFAULT, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app: Final = typer.Typer(
    cls=_Doctor,
    add_completion=False,
    rich_markup_mode=None,
    help="Say why a pod gets no token.\n\n'azwi doctor POD' is short for 'azwi doctor check POD'.",
)

NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Its namespace; else the context's.")
]


@app.command()
@groups.takes
def check(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="POD|KIND/NAME",
            help="A pod, a workload such as deployment/shop, or ns/NAME; nothing: the namespace.",
        ),
    ] = None,
    namespace: NamespaceOption = None,
    filename: Annotated[
        list[Path] | None,
        typer.Option(
            "--filename", "-f", metavar="FILE", help="Check manifests of this file, not a cluster."
        ),
    ] = None,
    in_pod: Annotated[
        bool,
        typer.Option("--in-pod", help="Ask azwi-proxy in the pod too, by kubectl exec."),
    ] = False,
    federated_credentials: Annotated[
        Path | None,
        typer.Option(help="File with the output of az identity federated-credential list."),
    ] = None,
    entra: Annotated[
        bool | None,
        typer.Option(
            "--entra/--no-entra",
            help="Read the federated credentials from Entra ID and ARM; else they are read where"
            " the Azure CLI is logged in or --auth-method is given.",
        ),
    ] = None,
    form: output.FormatOption = output.Format.TABLE,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
    *,
    auth: options.Auth,
) -> None:
    """Check a pod, a workload or a namespace.

    Each line says pass, warn or fail; below what is not well stands why it matters and what to do.
    Exit code 0: all is well; 3: something warns; 1: something fails.
    """
    from azwi_cli import checks, errors
    from azwi_cli.doctor import examine, targets

    if filename and (target or in_pod):
        raise errors.BadInput("-f checks files alone: leave out the pod's name and --in-pod.")
    patients: list[Patient] = []
    found: list[Facts]
    if filename:
        namespace = namespace or "default"
        found = _of_files(filename, namespace)
    else:
        from azwi_cli.doctor import collect

        cluster = kube.Cluster(kubeconfig, context)
        named, namespace = targets.read(target, namespace or cluster.config.namespace)
        collector = collect.Collector(cluster, namespace)
        around = collector.surroundings()
        patients.append(examine.cluster(around))
        found = collector.pods(named, around)
    found = _completed(found, in_pod, federated_credentials, kubeconfig, context)
    found = _with_entra(found, auth, entra, wanted=not (filename or federated_credentials))
    patients += [examine.pod(facts) for facts in found]
    if not found:
        patients.append(_nobody(namespace))
    whole = len(found) == 1
    output.show(examine.as_data(patients), form, lambda _: examine.as_text(patients, whole=whole))
    raise typer.Exit(checks.exit_code(examine.every_check(patients)))


@app.command()
def explain(
    message: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE|MESSAGE",
            help="A code such as AADSTS70021, or a whole error message; nothing or -: read it.",
        ),
    ] = None,
    form: output.FormatOption = output.Format.TABLE,
) -> None:
    """Explain an error of Entra ID or of the metadata address.

    A whole message works too, pasted or by a pipe. Exit code 3: it is not known.
    """
    import sys

    from azwi_cli import errors
    from azwi_cli.doctor import messages

    text = " ".join(message or ())
    if text in ("", "-"):
        if sys.stdin.isatty():
            output.note("Paste the error message, then press Ctrl-D.")
        text = sys.stdin.read()
    found = messages.explained(text)
    if not found:
        raise errors.NotFound(
            "There is no error in this that azwi knows.",
            "Give a code such as AADSTS70021, or the message that contains it.",
        )
    output.show([item.as_data() for item in found], form, lambda _: messages.as_text(found))
    if not all(item.is_known for item in found):
        raise typer.Exit(errors.Code.ATTENTION)


def _of_files(filename: list[Path], namespace: str) -> "list[Facts]":
    from azwi_cli.doctor import offline_facts
    from azwi_cli.inject import rewrite

    found = rewrite.read(filename)
    documents = [document for documents in found.values() for document in documents]
    return list(offline_facts.of(documents, namespace))


def _completed(
    found: "list[Facts]",
    in_pod: bool,
    credentials: Path | None,
    kubeconfig: Path | None,
    context: str | None,
) -> "list[Facts]":
    """With what only the pod itself, or Entra ID, knows."""
    import dataclasses

    if credentials:
        from azwi_cli.doctor import credential_file

        listed = credential_file.read(credentials)
        found = [dataclasses.replace(facts, credentials=listed) for facts in found]
    if in_pod:
        from azwi_cli.doctor import within

        found = within.completed(found, kubeconfig, context)
    return found


def _with_entra(
    found: "list[Facts]", auth: options.Auth, entra: bool | None, *, wanted: bool
) -> "list[Facts]":
    """With what Entra ID and ARM know; unasked for, where it is ``wanted`` and may be read."""
    if entra is False or (entra is None and not wanted):
        return found
    from azwi_cli.doctor import entra as directory

    if entra is None and not directory.is_at_hand(auth):
        return found
    return directory.completed(found, auth, is_asked_for=bool(entra))


def _nobody(namespace: str) -> "Patient":
    from azwi_cli.checks import Check, Status
    from azwi_cli.doctor.examine import Patient
    from azwi_common import contract

    lines = Check(
        "pods",
        Status.WARN,
        "No pod here opts in.",
        "Only pods with the label get tokens.",
        f'Set the label {contract.USE_LABEL}: "true" on the template of the workload.',
    )
    return Patient(f"namespace {namespace}", (lines,))
