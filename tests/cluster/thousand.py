"""An app in a pod: a thousand requests for fifteen resources by twenty threads; counts answers."""

import collections
import json
import sys
import threading
import urllib.error
import urllib.request

answers: collections.Counter[int] = collections.Counter()


def work(number: int) -> None:
    """Fifty requests, one after the other."""
    for count in range(50):
        url = f"{sys.argv[1]}https://{(number + count) % 15}.example"
        request = urllib.request.Request(url, headers={"Metadata": "true"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                answer.read()
                answers[answer.status] += 1
        except urllib.error.HTTPError as error:
            answers[error.code] += 1


threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(answers))
