"""``azwi oidc``: what a cluster's token issuer publishes: make it, check it, rotate its keys."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from azwi_cli import errors, files, flags, kube, output

if TYPE_CHECKING:
    from azwi_cli import rotation, tokens
    from azwi_cli.keys import PublicKey

app: Final = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Publish, check and rotate the keys of a cluster's token issuer.",
)

IssuerArgument = Annotated[
    str, typer.Argument(metavar="URL", help="The issuer, to the letter and to the slash.")
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(help="Trust the CA certificates of this file in place of public ones."),
]
TokenOption = Annotated[
    Path | None, typer.Option(help="File with a service account token of the cluster.")
]
FromClusterOption = Annotated[
    bool, typer.Option("--from-cluster", help="Take issuer and keys from the API server.")
]


@app.command()
def generate(
    issuer: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="The issuer; with --from-cluster it may be left out."),
    ] = None,
    public_keys: flags.PublicKeys = None,
    from_cluster: FromClusterOption = False,
    output_dir: Annotated[Path | None, typer.Option(help="Folder to write to.")] = None,
    upload_commands: Annotated[
        bool,
        typer.Option("--upload-commands", help="Print the commands that upload it to a blob."),
    ] = False,
    force: output.ForceOption = False,
    dry_run: output.DryRunOption = False,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Make the documents of an issuer, ready to publish.

    They are the discovery document and the key set; without --output-dir they are printed.
    """
    from azwi_cli import blob, discovery, issuers, keys

    if from_cluster == bool(public_keys):
        raise errors.BadInput(
            "Give either --public-keys or --from-cluster: the keys must be known."
        )
    if upload_commands and output_dir is None:
        raise errors.BadInput("--upload-commands uploads files: add --output-dir DIR.")
    if from_cluster:
        issuer, found = issuers.of_cluster(kube.Cluster(kubeconfig, context), issuer)
    else:
        found = flags.read_keys(flags.split(public_keys))
    if issuer is None:
        raise errors.BadInput("The issuer's URL is missing: azwi oidc generate URL …")
    discovery.require(issuer)
    found = list({key.kid: key for key in found}.values())
    content = {
        discovery.DOCUMENT_PATH: discovery.text(
            discovery.document(issuer, (key.algorithm for key in found))
        ),
        discovery.JWKS_PATH: keys.jwks_text(found) + "\n",
    }
    place = blob.place(issuer) if upload_commands else None
    _warn_without_rs256(found)
    _written(content, output_dir, force=force, dry_run=dry_run)
    if place and output_dir:
        for command in blob.upload_commands(place, {n: output_dir / n for n in content}):
            print(command)


@app.command(name="issuer")
def issuer_of_cluster(
    form: output.FormatOption = output.Format.TABLE,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Print the issuer of a cluster's service account tokens."""
    from azwi_cli import discovery, issuers

    cluster = kube.Cluster(kubeconfig, context)
    document = issuers.document_of_cluster(cluster)
    issuer = str(document["issuer"])
    if problem := discovery.unfit_for_entra(issuer):
        output.note(f"Warning: {problem}")
    shown = {"issuer": issuer, "jwksUri": document.get("jwks_uri", "")}
    output.show(shown, form, lambda found: found["issuer"])


@app.command()
def check(
    issuer: IssuerArgument,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    form: output.FormatOption = output.Format.TABLE,
) -> None:
    """Check what an issuer publishes, as Entra ID reads it.

    Exit code 0: all is well; 3: something warns; 1: something fails.
    """
    from azwi_cli import accepted, checks, issuers, key_set, published

    now = time.time()
    given = _token(token)
    lines = [published.issuer_url(issuer)]
    keys: list[PublicKey] = []
    if lines[0].status is checks.Status.PASS:
        got, got_keys = issuers.on_the_web(issuer, ca_file)
        lines += published.reachable(got, own_authority=ca_file is not None, now=now)
        if not isinstance(got, errors.Unavailable):
            lines += published.served(got, "the discovery document", "document")
            lines += published.document(published.read_document(got), issuer)
        if got_keys is not None:
            lines += published.served(got_keys, "the key set", "key-set")
            keys, said = key_set.read(got_keys)
            lines += said
    if given is not None:
        lines += accepted.token(given, issuer, keys, now=now)
    output.show(checks.as_data(lines), form, lambda _: checks.as_text(lines))
    raise typer.Exit(checks.exit_code(lines))


@app.command()
def rotate(
    issuer: IssuerArgument,
    old_key: Annotated[Path, typer.Option(help="File of the key that signs until now.")],
    new_key: Annotated[Path, typer.Option(help="File of the key that shall sign.")],
    token: TokenOption = None,
    longest_token: Annotated[
        int, typer.Option(min=1, help="Hours that a token of this cluster lives at most.")
    ] = 24,
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help="Ask the API server which keys it accepts too.")
    ] = False,
    ca_file: CaFileOption = None,
    form: output.FormatOption = output.Format.TABLE,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Say where a key rotation stands and what is next.

    Changes nothing and remembers nothing: run it again after every step, at any time. Exit code 0:
    the rotation is complete; 3: something is left to do; 1: pods are refused as it is.
    """
    from azwi_cli import discovery, issuers, rotation

    discovery.require(issuer)
    old, new = (_one_key(path) for path in (old_key, new_key))
    if old.kid == new.kid:
        raise errors.BadInput(
            f"{old_key} and {new_key} are the same key.", "Make a new one: openssl genrsa 2048."
        )
    on_the_web = issuers.keys_on_the_web(issuer, ca_file)
    given = _token(token)
    accepted = None
    if from_cluster:
        cluster_keys = issuers.of_cluster(kube.Cluster(kubeconfig, context), issuer)[1]
        accepted = [key.kid for key in cluster_keys]
    facts = rotation.Facts(
        issuer=issuer,
        old_file=str(old_key),
        new_file=str(new_key),
        old=old.kid,
        new=new.kid,
        published=[key.kid for key in on_the_web.keys],
        now=time.time(),
        published_at=on_the_web.published_at,
        max_age=on_the_web.max_age,
        longest_token=longest_token * 3600,
        accepted=accepted,
        signer=_signer(given, [old, new, *on_the_web.keys]) if given else None,
    )
    place = rotation.place(facts)
    output.show(asdict(place), form, lambda _: _rotation_text(place))
    raise typer.Exit(rotation.exit_code(place))


def _rotation_text(place: "rotation.Place") -> str:
    now = "\n".join(f"  {line}" for line in place.true_now)
    steps = "\n".join(f"  {number}. {line}" for number, line in enumerate(place.next, 1))
    return f"Step: {place.step}\n\nNow:\n{now}\n\nNext:\n{steps}"


def _token(path: Path | None) -> "tokens.Token | None":
    from azwi_cli import tokens

    return tokens.read(files.read(path, "a service account token"), str(path)) if path else None


def _one_key(path: Path) -> "PublicKey":
    found = flags.read_keys([path])
    if len({key.kid for key in found}) != 1:
        raise errors.BadInput(f"{path} holds several keys.", "Give a file with one.")
    return found[0]


def _signer(given: "tokens.Token", known: "list[PublicKey]") -> "rotation.Signer":
    """Who signed the token; what cannot be verified is no proof, and so no fact."""
    from azwi_cli import rotation

    for key in known:
        if key.kid == given.kid and given.is_signed_by(key):
            return rotation.Signer(key.kid, given.issued_at)
    raise errors.BadInput(
        f"The token is signed by the key {given.kid or 'without kid'}, which is neither of the two"
        " nor published.",
        "Give a token of this cluster, and the key files of its API server.",
    )


def _warn_without_rs256(found: "list[PublicKey]") -> None:
    if not any(key.algorithm == "RS256" for key in found):
        output.note("Warning: no key is for RS256, and Entra ID verifies no other signatures.")


def _written(content: dict[str, str], folder: Path | None, *, force: bool, dry_run: bool) -> None:
    if folder is None:
        for name, text in content.items():
            print(f"# {name}\n{text}", end="")
    elif dry_run:
        for name in content:
            output.note(f"Would write {folder / name}.")
    else:
        data = {name: text.encode() for name, text in content.items()}
        changed = files.write_tree(folder, data, force=force)
        for name in content:
            output.note(f"{'Wrote' if folder / name in changed else 'Unchanged:'} {folder / name}.")
