"""``azwi oidc`` as a process: against the emulator, small TLS servers, and folders."""

import json
import shlex
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import errors
from azwi_commands import (
    Authority,
    Reply,
    Site,
    azwi,
    jwks_of,
    kid_of,
    kubeconfig,
    public_half,
    serve,
    service_account_token,
)
from azwi_testing import Emulator, free_port

GOLDEN = Path(__file__).parent / "golden"
BLOB = "https://acc.blob.core.windows.net/oidc/"
DOCUMENT = ".well-known/openid-configuration"
KEYS = "openid/v1/jwks"


def golden(name: str, text: str, **names: str) -> None:
    """Compare with a file, in which what differs from run to run has a name in braces."""
    for placeholder, value in names.items():
        text = text.replace(value, f"{{{placeholder}}}")
    assert text == (GOLDEN / name).read_text()


def token_file(folder: Path, private: Path, issuer: str, **claims: Any) -> Path:
    file = folder / "token"
    file.write_text(service_account_token(private, issuer, **claims))
    return file


# --- check ----------------------------------------------------------------------------------------


def test_the_emulators_issuer_warns_of_loopback_and_its_own_authority_alone(
    emulator: Emulator,
) -> None:
    where = emulator.announced
    ran = azwi(
        *("oidc", "check", where["issuer"], "--token", where["tokenFile"]),
        *("--ca-file", where["caFile"], "-o", "json"),
        code=errors.Code.ATTENTION,
    )
    bad = [check["name"] for check in ran.data["checks"] if check["status"] != "pass"]
    assert bad == ["reachable", "certificate"]
    assert len(ran.data["checks"]) == 18
    assert Path(where["tokenFile"]).read_text() not in ran.out + ran.err


def test_after_a_rotation_that_drops_the_old_key_its_token_fails(
    emulator: Emulator, tmp_path: Path
) -> None:
    where = emulator.announced
    kept = tmp_path / "token"
    kept.write_text(Path(where["tokenFile"]).read_text())
    emulator.control.rotate_issuer_keys(keep_old=False)
    ran = azwi(
        *("oidc", "check", where["issuer"], "--token", kept, "--ca-file", where["caFile"]), code=1
    )
    assert "which is not published" in ran.out


def test_what_people_read_of_a_good_issuer(
    site: Site, authority: Authority, signing_key: Path, tmp_path: Path
) -> None:
    token = token_file(tmp_path, signing_key, site.issuer)
    ran = azwi(
        "oidc", "check", site.issuer, "--token", token, SSL_CERT_FILE=str(authority.file), code=3
    )
    golden("check-good.txt", ran.out, url=site.url, kid=kid_of(signing_key))
    assert ran.err == ""


def unpublished(site: Site) -> None:
    site.replies.clear()


def wrong_slash(site: Site) -> None:
    site.publish(site.key_set, issuer=site.url)


def html(site: Site) -> None:
    site.replies[f"/{DOCUMENT}"] = Reply(b"<html>", 200, {"Content-Type": "text/html"})


def redirected(site: Site) -> None:
    site.replies[f"/{DOCUMENT}"] = Reply(b"", 301, {"Location": "https://elsewhere.example/"})


def closed(site: Site) -> None:
    site.replies[f"/{DOCUMENT}"] = Reply(b"", 403)


def plain_keys(site: Site) -> None:
    site.publish({"keys": []}, jwks_uri=f"{site.url}/{KEYS}".replace("https", "http"))


def internal_keys(site: Site) -> None:
    site.publish({"keys": []}, jwks_uri=f"https://127.0.0.1:{free_port()}/jwks")


def empty(site: Site) -> None:
    site.publish({"keys": []})


def private(site: Site) -> None:
    key = site.key_set["keys"][0]
    site.publish({"keys": [{**key, "d": "AQAB"}]})


def no_rs256(site: Site) -> None:
    site.publish(site.key_set, id_token_signing_alg_values_supported=["ES256"])


def stale(site: Site) -> None:
    site.replies[f"/{KEYS}"].headers = {
        "Content-Type": "application/json",
        "Cache-Control": "max-age=2592000",
    }


def untyped(site: Site) -> None:
    site.replies[f"/{KEYS}"].headers = {"Content-Type": "application/octet-stream"}


@pytest.mark.parametrize(
    ("spoil", "fails"),
    [
        (unpublished, {"document"}),
        (wrong_slash, {"issuer"}),
        (html, {"document"}),
        (redirected, {"document"}),
        (closed, {"document"}),
        (plain_keys, {"jwks-uri"}),
        (internal_keys, {"key-set", "keys"}),
        (empty, {"keys"}),
        (private, {"private-key", "keys"}),
        (no_rs256, {"algorithms"}),
    ],
)
def test_each_misconfiguration_fails_in_its_line(
    spoil: Callable[[Site], None], fails: set[str], site: Site, authority: Authority
) -> None:
    spoil(site)
    ran = azwi("oidc", "check", site.issuer, "--ca-file", authority.file, "-o", "json", code=1)
    bad = [check for check in ran.data["checks"] if check["status"] == "fail"]
    assert fails <= {check["name"] for check in bad}
    assert all(check["why"] and check["remedy"] for check in bad)


@pytest.mark.parametrize(
    ("spoil", "warns"), [(stale, "key-set-cache"), (untyped, "key-set-content-type")]
)
def test_what_only_hurts_later_warns(
    spoil: Callable[[Site], None], warns: str, site: Site, authority: Authority
) -> None:
    spoil(site)
    ran = azwi("oidc", "check", site.issuer, "--ca-file", authority.file, "-o", "json", code=3)
    assert warns in {check["name"] for check in ran.data["checks"] if check["status"] == "warn"}


def test_the_slash_at_the_end_counts_in_both_directions(site: Site, authority: Authority) -> None:
    ran = azwi("oidc", "check", site.url, "--ca-file", authority.file, code=1)
    assert "The document's issuer ends with a slash, the one asked for without it." in ran.out


def test_an_untrusted_certificate_fails_with_the_remedy(site: Site) -> None:
    ran = azwi("oidc", "check", site.issuer, code=1)
    assert "is by an authority that this machine does not trust" in ran.out


def test_a_certificate_that_ends_soon_warns(authority: Authority, signing_key: Path) -> None:
    with serve(authority.server(days=3.5)) as site:
        site.publish(jwks_of(signing_key))
        ran = azwi("oidc", "check", site.issuer, SSL_CERT_FILE=str(authority.file), code=3)
    assert "The certificate ends in 3 days." in ran.out


def test_what_is_no_url_fails_without_asking_anybody() -> None:
    ran = azwi("oidc", "check", "http://issuer.example", code=1)
    assert ran.out.startswith("fail  http://issuer.example cannot be an issuer")


def test_a_token_of_another_cluster_fails(
    site: Site, authority: Authority, new_key: Path, tmp_path: Path
) -> None:
    token = token_file(tmp_path, new_key, "https://other.example/")
    ran = azwi(
        *("oidc", "check", site.issuer, "--token", token, "--ca-file", authority.file),
        *("-o", "json"),
        code=1,
    )
    bad = {check["name"] for check in ran.data["checks"] if check["status"] == "fail"}
    assert bad == {"token-issuer", "token-key"}


def test_a_file_that_is_no_token_is_told_before_anything_is_asked(
    site: Site, authority: Authority, signing_key: Path
) -> None:
    ran = azwi("oidc", "check", site.issuer, "--token", signing_key, code=2)
    assert "holds no service account token" in ran.err
    assert site.asked == []


# --- generate -------------------------------------------------------------------------------------


def test_a_folder_is_written_as_it_is_published(signing_key: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    azwi("oidc", "generate", BLOB, "--public-keys", signing_key, "--output-dir", folder)
    document = json.loads((folder / DOCUMENT).read_text())
    assert document["issuer"] == BLOB
    assert document["jwks_uri"] == BLOB + KEYS
    assert json.loads((folder / KEYS).read_text()) == jwks_of(signing_key)


def test_what_was_generated_passes_the_check_where_it_is_published(
    authority: Authority, signing_key: Path, tmp_path: Path
) -> None:
    with serve(authority.server()) as site:
        azwi("oidc", "generate", site.url, "--public-keys", signing_key, "--output-dir", tmp_path)
        for name in (DOCUMENT, KEYS):
            site.replies[f"/{name}"] = Reply((tmp_path / name).read_bytes())
        token = token_file(tmp_path, signing_key, site.url)
        ran = azwi(
            *("oidc", "check", site.url, "--token", token, "-o", "json"),
            SSL_CERT_FILE=str(authority.file),
            code=3,
        )
    bad = [check["name"] for check in ran.data["checks"] if check["status"] != "pass"]
    assert bad == ["reachable"]


def test_the_upload_commands_name_what_was_written(signing_key: Path, tmp_path: Path) -> None:
    ran = azwi(
        *("oidc", "generate", BLOB, "--public-keys", signing_key),
        *("--output-dir", tmp_path, "--upload-commands"),
    )
    commands = [shlex.split(line) for line in ran.out.splitlines()]
    assert [command[:4] for command in commands] == [["az", "storage", "blob", "upload"]] * 2
    for command in commands:
        assert Path(command[command.index("--file") + 1]).is_file()
    golden("upload.txt", ran.out, folder=str(tmp_path))


def test_without_a_folder_both_documents_are_printed(signing_key: Path, tmp_path: Path) -> None:
    public = public_half(signing_key, tmp_path / "sa.pub")
    ran = azwi("oidc", "generate", BLOB, "--public-keys", public)
    assert f"# {DOCUMENT}\n{{" in ran.out
    assert kid_of(signing_key) in ran.out


def test_a_key_that_is_given_twice_is_published_once(signing_key: Path, tmp_path: Path) -> None:
    public = public_half(signing_key, tmp_path / "sa.pub")
    ran = azwi("oidc", "generate", BLOB, "--public-keys", f"{signing_key},{public}")
    assert ran.out.count(kid_of(signing_key)) == 1


def test_a_dry_run_writes_nothing(signing_key: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    command = ("oidc", "generate", BLOB, "--public-keys", signing_key, "--output-dir", folder)
    ran = azwi(*command, "--dry-run")
    assert f"Would write {folder / KEYS}." in ran.err
    assert not folder.exists()


def test_other_content_is_overwritten_with_force_only(
    signing_key: Path, new_key: Path, tmp_path: Path
) -> None:
    command = ("oidc", "generate", BLOB, "--output-dir", tmp_path, "--public-keys")
    azwi(*command, signing_key)
    assert "Unchanged" in azwi(*command, signing_key).err
    assert KEYS in azwi(*command, new_key, code=errors.Code.EXISTS).err
    assert json.loads((tmp_path / KEYS).read_text()) == jwks_of(signing_key)
    azwi(*command, new_key, "--force")
    assert json.loads((tmp_path / KEYS).read_text()) == jwks_of(new_key)


def test_a_live_cluster_gives_issuer_and_keys(
    site: Site, authority: Authority, signing_key: Path, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, site.url, authority.file)
    command = ("oidc", "generate", "--from-cluster", "--output-dir", tmp_path / "out")
    azwi(*command, "--kubeconfig", config)
    document = json.loads((tmp_path / "out" / DOCUMENT).read_text())
    assert document["issuer"] == site.issuer
    assert json.loads((tmp_path / "out" / KEYS).read_text()) == jwks_of(signing_key)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((BLOB,), "either --public-keys or --from-cluster"),
        ((BLOB, "--public-keys", "k", "--from-cluster"), "either --public-keys or --from-cluster"),
        ((BLOB, "--public-keys", "k", "--upload-commands"), "--output-dir"),
        (("--public-keys", "{key}"), "URL is missing"),
        (("http://x", "--public-keys", "{key}"), "cannot be an issuer"),
        (
            ("https://x/", "--public-keys", "{key}", "--upload-commands", "--output-dir", "{dir}"),
            "is not in Azure blob storage",
        ),
    ],
)
def test_a_wrong_command_line_is_told_and_writes_nothing(
    arguments: tuple[str, ...], told: str, signing_key: Path, tmp_path: Path
) -> None:
    filled = [part.format(key=signing_key, dir=tmp_path / "out") for part in arguments]
    assert told in azwi("oidc", "generate", *filled, code=2).err
    assert list(tmp_path.iterdir()) == []


# --- issuer ---------------------------------------------------------------------------------------


def test_the_issuer_of_a_cluster_is_printed_alone(
    site: Site, authority: Authority, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, site.url, authority.file)
    ran = azwi("oidc", "issuer", "--kubeconfig", config)
    assert (ran.out, ran.err) == (f"{site.issuer}\n", "")
    as_json = azwi("oidc", "issuer", "-o", "json", KUBECONFIG=str(config))
    assert as_json.data == {"issuer": site.issuer, "jwksUri": f"{site.url}/{KEYS}"}


def test_an_issuer_that_entra_id_cannot_reach_is_printed_with_a_warning(
    site: Site, authority: Authority, tmp_path: Path
) -> None:
    site.publish({"keys": []}, issuer="https://kubernetes.default.svc.cluster.local")
    ran = azwi("oidc", "issuer", "--kubeconfig", kubeconfig(tmp_path, site.url, authority.file))
    assert ran.out == "https://kubernetes.default.svc.cluster.local\n"
    assert "a name within the cluster" in ran.err


def test_without_permission_it_says_so(site: Site, authority: Authority, tmp_path: Path) -> None:
    site.replies[f"/{DOCUMENT}"] = Reply(b"", 403)
    config = kubeconfig(tmp_path, site.url, authority.file)
    ran = azwi("oidc", "issuer", "--kubeconfig", config, "--debug", code=errors.Code.DENIED)
    assert "does not allow it" in ran.err
    assert "s3cret-bearer" not in ran.err


# --- rotate ---------------------------------------------------------------------------------------


class Rotation:
    """A rotation of a site's keys, looked at again and again."""

    def __init__(self, site: Site, authority: Authority, old: Path, new: Path) -> None:
        self.site, self.old, self.new = site, old, new
        self._flags = ("--ca-file", authority.file, "--old-key", old, "--new-key", new)

    def publish(self, *keys: Path, hours_ago: float = 0) -> None:
        written = formatdate(time.time() - hours_ago * 3600, usegmt=True)
        self.site.replies[f"/{KEYS}"] = Reply(jwks_of(*keys), 200, {"Last-Modified": written})

    def look(self, code: int, *more: str | Path) -> str:
        ran = azwi("oidc", "rotate", self.site.issuer, *self._flags, *more, "-o", "json", code=code)
        return str(ran.data["step"])

    def text(self, *more: str | Path) -> str:
        return azwi("oidc", "rotate", self.site.issuer, *self._flags, *more, code=None).out


@pytest.fixture
def rotation(site: Site, authority: Authority, signing_key: Path, new_key: Path) -> Rotation:
    return Rotation(site, authority, signing_key, new_key)


def test_a_rotation_is_led_from_its_start_to_its_end(rotation: Rotation, tmp_path: Path) -> None:
    old, new, issuer = rotation.old, rotation.new, rotation.site.issuer
    assert rotation.look(3) == "publish-both"
    rotation.publish(old, new)
    assert rotation.look(3) == "wait-for-readers"
    rotation.publish(old, new, hours_ago=2)
    assert rotation.look(3) == "switch"
    assert rotation.look(3, "--token", token_file(tmp_path, old, issuer)) == "switch"
    switched = token_file(tmp_path, new, issuer)
    assert rotation.look(3, "--token", switched) == "wait-for-tokens"
    now = int(time.time())
    proof = token_file(tmp_path, new, issuer, iat=now - 90_000, exp=now - 86_400)
    assert rotation.look(3, "--token", proof) == "drop-old"
    rotation.publish(new)
    assert rotation.look(0, "--token", proof) == "done"


def test_dropping_the_old_key_too_early_is_an_alarm(rotation: Rotation, tmp_path: Path) -> None:
    rotation.publish(rotation.new)
    token = token_file(tmp_path, rotation.old, rotation.site.issuer)
    assert rotation.look(1, "--token", token) == "dropped-early"


def test_switching_before_publishing_is_an_alarm(rotation: Rotation, tmp_path: Path) -> None:
    token = token_file(tmp_path, rotation.new, rotation.site.issuer)
    assert rotation.look(1, "--token", token) == "unpublished-signer"


def test_a_forged_token_proves_nothing(rotation: Rotation, tmp_path: Path) -> None:
    rotation.publish(rotation.old, rotation.new)
    forged = token_file(tmp_path, rotation.old, rotation.site.issuer, kid=kid_of(rotation.new))
    ran = rotation.text("--token", forged)
    assert ran == ""


def test_what_people_read_of_a_rotation(rotation: Rotation, tmp_path: Path) -> None:
    names = {
        "old": kid_of(rotation.old),
        "new": kid_of(rotation.new),
        "old_file": str(rotation.old),
        "new_file": str(rotation.new),
        "url": rotation.site.url,
    }
    golden("rotate-publish-both.txt", rotation.text(), **names)
    rotation.site.publish(jwks_of(rotation.old, rotation.new))
    golden("rotate-switch.txt", rotation.text(), **names)


def test_the_api_servers_own_keys_are_shown_where_it_is_asked(
    rotation: Rotation, authority: Authority, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, rotation.site.url, authority.file)
    text = rotation.text("--from-cluster", "--kubeconfig", config)
    assert "The API server verifies with the old key." in text


def test_one_key_twice_is_refused(rotation: Rotation, authority: Authority) -> None:
    flags = ("--old-key", rotation.old, "--new-key", rotation.old)
    ran = azwi("oidc", "rotate", rotation.site.issuer, *flags, code=2)
    assert "are the same key" in ran.err


def test_no_private_key_and_no_token_is_in_any_output(rotation: Rotation, tmp_path: Path) -> None:
    token = token_file(tmp_path, rotation.old, rotation.site.issuer)
    text = rotation.text("--token", token, "--debug")
    secrets = [token.read_text(), *rotation.old.read_text().splitlines()[1:-1]]
    assert not [secret for secret in secrets if secret in text]
