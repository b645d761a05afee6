"""Every input that fuzzing kept (`make fuzz`) holds what its target promises."""

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGETS: Mapping[str, Callable[[bytes], None]] = runpy.run_path(str(HERE / "targets.py"))["TARGETS"]
CORPUS = sorted(path for path in (HERE / "corpus").glob("*/*") if path.is_file())


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_of_the_corpus_holds_what_its_target_promises(target: str) -> None:
    inputs = [path for path in CORPUS if path.parent.name == target]
    assert inputs
    for path in inputs:
        TARGETS[target](path.read_bytes())


def test_the_corpus_is_small_and_of_known_targets() -> None:
    assert {path.parent.name for path in CORPUS} == set(TARGETS)
    assert len(CORPUS) < 200
    assert sum(path.stat().st_size for path in CORPUS) < 200_000
