"""Federated credentials as az writes them."""

import json
from pathlib import Path

import pytest

from azwi_cli import errors
from azwi_cli.doctor import credential_file


@pytest.mark.parametrize("content", [[{"name": "a"}], {"value": [{"name": "a"}]}])
def test_a_list_and_an_answer_of_the_api_are_read(content: object, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text(json.dumps(content))
    assert credential_file.read(file) == [{"name": "a"}]


@pytest.mark.parametrize("content", ["", "{}", "[1]", "ERROR: log in", '{"value": 1}'])
def test_anything_else_is_refused_with_the_command_that_makes_it(
    content: str, tmp_path: Path
) -> None:
    file = tmp_path / "f"
    file.write_text(content)
    with pytest.raises(errors.BadInput, match="az identity federated-credential list"):
        credential_file.read(file)
