"""``make demo``: chooses the best stage that this user may have, and says which."""

import os
import sys
import time

from azwi_demo import story
from azwi_demo.pod import CannotMakePod, Pod


def main() -> int:
    """Tell the story; 0 when every step showed what it should."""
    started = time.monotonic()
    try:
        _on_the_best_stage()
    except story.StepFailed as error:
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


if __name__ == "__main__":
    sys.exit(main())
