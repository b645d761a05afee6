"""``azwi uninject``: takes out of the pods of files what the webhook or ``azwi inject`` put in."""

from typing import TYPE_CHECKING, Final

import typer

from azwi_cli import output
from azwi_cli.inject import options

if TYPE_CHECKING:
    from azwi_cli.inject import manifests, offline

app: Final = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def uninject(
    filename: options.FilesOption,
    output_file: options.OutputOption = None,
    in_place: options.InPlaceOption = False,
    force: output.ForceOption = False,
    dry_run: output.DryRunOption = False,
) -> None:
    """Take out of the pods of files what the webhook or azwi inject put in.

    Labels and annotations that ask for it stay, as does what the pod's author wrote. What was
    injected is known by its form: a container of the same name by another hand stays. What the
    author wrote in the webhook's own words and place cannot be told apart, and goes too; pull
    secrets and AZWI_PROXY_VOLUMES that nobody mounts stay.
    """
    from azwi_cli.inject import rewrite

    target = rewrite.Target(output_file, in_place, force, dry_run)
    target.check(filename)
    found = rewrite.read(filename)
    outcomes = rewrite.decided(found, _outcome)
    if not any(item.changes for item in outcomes):
        output.note("Nothing was injected into these pods.")
    rewrite.write(found, outcomes, target)


def _outcome(template: "manifests.Template") -> "offline.Outcome":
    from azwi_cli.inject import offline, removal
    from azwi_webhook.errors import Refused

    try:
        found = removal.operations(template.pod)
    except Refused as refused:
        return offline.Outcome(template, refused=refused.sentence)
    return offline.Outcome(template, [(template.path, operation) for operation in found])
