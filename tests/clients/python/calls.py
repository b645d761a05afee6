"""How every Python program here is asked and answers.

``argv[1]`` is a JSON request; each call prints one JSON line: ``token`` or ``claims``, or
``error``, and the ``seconds`` it took. Imports nothing but the standard library: it runs in every
environment.
"""

import json
import sys
import time


def run(make):
    """``make(request)`` is a new client, as a function without arguments that gets one answer."""
    request = json.loads(sys.argv[1])
    client = make(request)
    for number in range(request["calls"]):
        if number:
            time.sleep(request["pause"])
            client = make(request) if request["fresh"] else client
        line = _timed(client)
        print(json.dumps(line), flush=True)
        if request["until_token"] and "error" not in line:
            return


def _timed(client):
    start = time.monotonic()
    try:
        line = client()
    except Exception as error:  # noqa: BLE001  # whatever an app's user would be shown
        line = {"error": f"{type(error).__name__}: {error}"}
    return {**line, "seconds": time.monotonic() - start}
