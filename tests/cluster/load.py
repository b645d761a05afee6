"""An app under load, as Python runs it in a pod: four threads ask for tokens, also for new ones.

Goes on for three seconds after SIGTERM, as an app does that finishes its work; the log's last line
says how often each answer came.
"""

import collections
import itertools
import json
import signal
import sys
import threading
import time
import urllib.request
from typing import Any

AFTER_SIGTERM = 3.0  # seconds
NEW_TOKEN_EVERY = 50  # requests: some ten exchanges a second, half of what a proxy allows

answers: collections.Counter[str] = collections.Counter()
stop = threading.Event()


def ask(resource: str) -> str:
    """The status, or the error."""
    request = urllib.request.Request(sys.argv[1] + resource, headers={"Metadata": "true"})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return str(answer.status if json.load(answer)["access_token"] else "no token")
    except Exception as error:  # noqa: BLE001  # whatever an app would see is counted
        return repr(error)


def work(number: int) -> None:
    """One user of tokens."""
    last = float("inf")
    for count in itertools.count():
        new = count if count % NEW_TOKEN_EVERY == 0 else 0
        answers[ask(f"https://{number}-{new}.example")] += 1
        if count == NEW_TOKEN_EVERY:
            print("working", flush=True)
        if stop.is_set():
            last = min(last, time.monotonic() + AFTER_SIGTERM)
        if time.monotonic() > last:
            return
        time.sleep(0.01)


def end(*_: Any) -> None:
    """Tell the threads."""
    stop.set()


signal.signal(signal.SIGTERM, end)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(answers), flush=True)
