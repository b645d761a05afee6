"""Values of shared flags."""

from pathlib import Path

import pytest

from azwi_cli import errors, flags


@pytest.mark.parametrize(
    ("values", "files"),
    [
        (None, []),
        (["a"], ["a"]),
        (["a,b", "c"], ["a", "b", "c"]),
        (['"a,b",c'], ["a,b", "c"]),
        (["a,,b,"], ["a", "b"]),
    ],
)
def test_a_flag_of_files_is_read_as_go_reads_it(values: list[str] | None, files: list[str]) -> None:
    assert flags.split(values) == [Path(name) for name in files]


def test_no_key_at_all_names_the_flag() -> None:
    with pytest.raises(errors.BadInput, match="--public-keys"):
        flags.read_keys([])
