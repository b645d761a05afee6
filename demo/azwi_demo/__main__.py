"""``make demo``: chooses the best stage that this user may have, and says which.

``make demo MODE=environment`` needs none: it runs as anybody.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence

from azwi_demo import environment, story
from azwi_demo.pod import CannotMakePod, Pod
from azwi_demo.stage import StepFailed


def main(arguments: Sequence[str] = ()) -> int:
    """Tell the story of the mode that is named; 0 when every step showed what it should."""
    mode = " ".join(arguments) or "redirect"
    if mode not in STORIES:
        print(f"MODE must be {' or '.join(STORIES)}, not {mode!r}.", file=sys.stderr)
        return 2
    started = time.monotonic()
    try:
        STORIES[mode]()
    except StepFailed as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    print(f"({time.monotonic() - started:.1f} s)")
    return 0


def _on_the_best_stage() -> None:
    if sys.platform != "linux":
        print("The redirect needs Linux: the same story without it.")
        story.tell(None)
        return
    try:
        with Pod(user=os.geteuid() != 0) as pod:
            story.tell(pod)
    except CannotMakePod as error:
        print(f"No namespaces for this user here ({error}): the same story without the redirect.")
        story.tell(None)


STORIES: dict[str, Callable[[], None]] = {
    "redirect": _on_the_best_stage,
    "environment": environment.tell,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
