"""Coverage-guided fuzzing of the parsers: ``run.py TARGET FOLDER... [-max_total_time=SECONDS]``.

Needs atheris (images/locks/fuzz.txt), which has wheels for Linux on x86-64 only: so it is no part
of the development environment. `make fuzz` installs it and runs every target.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

INSTRUMENTED = ["azwi_common", "azwi_proxy", "azwi_webhook", "targets"]


def main(arguments: list[str]) -> None:
    """Fuzz one target until its time is over or an assertion fails."""
    program, name, *options = arguments
    here = Path(__file__).parent
    sys.path[:0] = [str(here), str(here.parent / "support")]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED):
        targets: Any = importlib.import_module("targets")
    atheris.Setup([program, *options], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
