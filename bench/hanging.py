"""Stored tokens, and a healthy identity's exchange, while 200 exchanges of other identities hang.

Twenty exchanges a second may begin, and each is given up after ten: so 200 is as many as there are.
Alone and meanwhile take turns, since a machine is not the same for two minutes. Beside it the same
of a loop that does nothing but answer constant bytes and shake hands as often: what exchanges cost
at least where a handshake's answer is taken in one go.
"""

import itertools
import json
import statistics
import threading
import time
import urllib.error
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import servers
from azwi_emulator.client import Control
from azwi_emulator.messages import Fault

HANGING = 200
PER_SECOND = 18  # two a second are left for the healthy identity
TURNS, ROUNDS, SECONDS, EXCHANGES = 3, 3, 2, 5
FILL = 12  # seconds until those that are given up are as many as those that begin
ELSEWHERE = str(uuid.uuid5(uuid.NAMESPACE_DNS, "tenant.example"))


def report() -> None:
    """Print the table."""
    others = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{n}.example")) for n in range(HANGING)]
    mapped = json.dumps([{"clientId": other, "tenantId": ELSEWHERE} for other in others])
    with (
        servers.beside_wrk(),
        servers.emulator(control=True) as announced,
        servers.proxy(announced, AZWI_IDENTITIES=mapped) as (ours, port),
    ):
        control = Control(announced["controlUrl"])
        control.fault(Fault(kind="latency", seconds=60, tenant_id=ELSEWHERE))
        size = len(servers.ask(servers.url(port)))
        before, meanwhile = Measured(), Measured()
        fewest = HANGING
        for _ in range(TURNS):
            before.least(announced, size, 0)
            before.turn(ours.pid, port)
            done = threading.Event()
            waiting: list[threading.Thread] = []
            asking = threading.Thread(target=_hang, args=(port, others, waiting, done))
            asking.start()
            time.sleep(FILL)
            meanwhile.turn(ours.pid, port)
            fewest = min(fewest, sum(thread.is_alive() for thread in waiting))
            done.set()
            asking.join()
            meanwhile.least(announced, size, PER_SECOND)
    print(f"| while {fewest} exchanges hang | alone | meanwhile | ratio |\n|---|---|---|---|")
    for name, alone in before.milliseconds.items():
        now, then = statistics.median(meanwhile.milliseconds[name]), statistics.median(alone)
        print(f"| {name}, ms | {then:.2f} | {now:.2f} | {now / then:.2f} |")


@dataclass
class Measured:
    """By row of the table: what each round had, in ms."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def turn(self, pid: int, port: int) -> None:
        """Measure every row of the proxy once more."""
        for own_id, connections in itertools.product((False, True), (16, 64)):
            self._p99("stored tokens", pid, port, connections, own_id=own_id)
        for _ in range(EXCHANGES):
            began = time.monotonic()
            servers.ask(servers.url(port, f"https://{uuid.uuid4()}.example"))
            self.milliseconds["another exchange"].append((time.monotonic() - began) * 1000)
            time.sleep(0.6)

    def least(self, announced: Mapping[str, str], size: int, a_second: int) -> None:
        """Measure the loop that does nothing but answer, and shake hands as often."""
        with servers.handshakes(announced, size, a_second) as (least, port):
            time.sleep(FILL if a_second else 0)
            for connections in (16, 64):
                self._p99("a loop that only shakes hands", least.pid, port, connections)

    def _p99(
        self, name: str, pid: int, port: int, connections: int, *, own_id: bool = False
    ) -> None:
        suffix = ", own IDs" if own_id else ""
        rounds = self.milliseconds[f"p99 of {name}, {connections} connections{suffix}"]
        for _ in range(ROUNDS):
            done = servers.for_tokens(pid, port, connections, SECONDS, own_id=own_id)
            rounds.append(done.p99_ms)


def _hang(
    port: int, others: list[str], waiting: list[threading.Thread], done: threading.Event
) -> None:
    """Ask for tokens that do not come: twenty at once, then as many a second as are let through."""
    number = 0
    while not done.is_set():
        other = others[number % len(others)]
        address = f"{servers.url(port, f'https://r{number}.example')}&client_id={other}"
        waiting.append(threading.Thread(target=_ask_in_vain, args=(address,)))
        waiting[-1].start()
        number += 1
        if number > HANGING - PER_SECOND * 10:
            time.sleep(1 / PER_SECOND)
    for thread in waiting:
        thread.join()


def _ask_in_vain(address: str) -> None:
    try:
        servers.ask(address)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in (429, 503):  # at times one asks before there is an allowance
            raise
