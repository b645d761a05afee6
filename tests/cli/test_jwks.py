"""``azwi jwks`` as a process, with the command lines of the reference."""

import json
import resource
import stat
from pathlib import Path

import pytest

from azwi_cli import errors, keys
from azwi_commands import azwi, jwks_of, kid_of, openssl, public_half

LONGEST = 0.4  # seconds
ROUNDS = 7


def kids(text: str) -> list[str]:
    return [key["kid"] for key in json.loads(text)["keys"]]


def test_it_is_printed_without_a_newline_at_the_end(signing_key: Path) -> None:
    out = azwi("jwks", "--public-keys", signing_key).out
    assert out == keys.jwks_text(keys.read(signing_key.read_bytes(), ""))
    assert out.endswith("}")


def test_it_is_written_to_a_file_for_its_owner(signing_key: Path, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    ran = azwi("jwks", "--public-keys", signing_key, "--output-file", file)
    assert (ran.out, ran.err) == ("", "")
    assert file.read_text() == azwi("jwks", "--public-keys", signing_key).out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "form",
    [
        ("--public-keys={a},{b}",),
        ("--public-keys", "{a},{b}"),
        ("--public-keys", "{a}", "--public-keys", "{b}"),
        ("--public-keys", "{a}", "{b}"),
        ("--public-keys", '"{a}",{b}'),
    ],
)
def test_several_files_in_every_form(
    form: tuple[str, ...], signing_key: Path, new_key: Path
) -> None:
    arguments = [part.format(a=signing_key, b=new_key) for part in form]
    assert kids(azwi("jwks", *arguments).out) == [kid_of(signing_key), kid_of(new_key)]


def test_a_private_key_gives_what_its_public_key_gives(signing_key: Path, tmp_path: Path) -> None:
    public = public_half(signing_key, tmp_path / "sa.pub")
    private_out = azwi("jwks", "--public-keys", signing_key).out
    assert private_out == azwi("jwks", "--public-keys", public).out
    assert json.loads(private_out) == jwks_of(public)


def test_a_key_that_is_given_twice_is_written_once(signing_key: Path, tmp_path: Path) -> None:
    public = public_half(signing_key, tmp_path / "sa.pub")
    assert kids(azwi("jwks", signing_key, public).out) == [kid_of(signing_key)]


def test_a_key_set_is_overwritten_as_the_reference_does(
    signing_key: Path, new_key: Path, tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    azwi("jwks", "--public-keys", signing_key, "--output-file", file)
    azwi("jwks", "--public-keys", f"{signing_key},{new_key}", "--output-file", file)
    assert len(kids(file.read_text())) == 2


def test_a_private_key_in_the_way_is_not_overwritten(signing_key: Path, tmp_path: Path) -> None:
    file = tmp_path / "sa.key"
    file.write_bytes(signing_key.read_bytes())
    command = ("jwks", "--public-keys", signing_key, "--output-file", file)
    assert "--force" in azwi(*command, code=errors.Code.EXISTS).err
    assert file.read_bytes() == signing_key.read_bytes()
    azwi(*command, "--force")
    assert kids(file.read_text()) == [kid_of(signing_key)]


def test_standard_output_as_a_file_works(signing_key: Path) -> None:
    command = ("jwks", "--public-keys", signing_key)
    assert azwi(*command, "--output-file", "/dev/stdout").out == azwi(*command).out


def test_without_keys_it_says_which_flag_is_missing() -> None:
    assert "--public-keys" in azwi("jwks", code=2).err


def test_a_bad_file_among_good_ones_writes_nothing(signing_key: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pub"
    bad.write_bytes(b"hello")
    file = tmp_path / "jwks.json"
    ran = azwi("jwks", "--public-keys", signing_key, bad, "--output-file", file, code=2)
    assert str(bad) in ran.err
    assert not file.exists()


def test_a_short_rsa_key_is_warned_of_and_written(tmp_path: Path) -> None:
    short = tmp_path / "short.key"
    short.write_bytes(openssl("genrsa", "1024"))
    ran = azwi("jwks", "--public-keys", short)
    assert f"{short} has 1024 bits" in ran.err
    assert kids(ran.out) == [kid_of(short)]


def test_no_part_of_a_private_key_is_ever_printed(signing_key: Path, tmp_path: Path) -> None:
    lines = signing_key.read_text().splitlines()
    damaged = tmp_path / "damaged.key"
    damaged.write_text("\n".join([*lines[:5], *lines[6:]]))
    for file, code in ((signing_key, 0), (damaged, 2)):
        ran = azwi("jwks", "--debug", "--public-keys", file, code=None)
        assert ran.code == code
        assert not [line for line in lines[1:-1] if line in ran.out + ran.err]


def test_it_takes_less_than_400_milliseconds(signing_key: Path) -> None:
    """Of a processor: it waits for nobody, and other tests run at the same time."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    def seconds() -> float:
        start = used()
        azwi("jwks", "--public-keys", signing_key)
        return used() - start

    assert 0.05 < min(seconds() for _ in range(ROUNDS)) < LONGEST
