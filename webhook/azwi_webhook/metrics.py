"""The webhook's metrics, their names and labels. Label values are few, and none is a secret."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from azwi_common import __version__, logs

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4  # every Prometheus reads it

# As the Go reference has them, so that its dashboards go on working.
BUCKETS: Final = (
    *(number / 1000 for number in range(1, 11)),
    *(number / 100 for number in range(2, 11)),
    *(number / 10 for number in range(2, 11)),
    *(1.5, 2.0, 2.5, 3.0),
)
LOST_CONNECTIONS: Final = ("crowded", "descriptors", "handshake", "silent")
_NAME: Final = "azwi_mutation_request"
_EDGES: Final = tuple(f'{_NAME}_bucket{{le="{edge}",' for edge in (*BUCKETS, "+Inf"))


@dataclass(frozen=True, slots=True)
class Held:
    """The state of one cache."""

    collection: str
    objects: int
    watching: bool
    bytes: int
    largest: int


class Metrics:
    """One registry, so that two webhooks in one process (tests) do not meet."""

    def __init__(self) -> None:
        # A start time beside every counter would double the series.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it bare
        self._registry = CollectorRegistry(auto_describe=False)
        self.requests = Durations()
        self.reviews = Counter(
            "azwi_webhook_reviews",
            "Calls by result: mutated, unchanged, refused, unavailable, broken, bad_call",
            ("result",),
            registry=self._registry,
        )
        self.refused = Counter(
            "azwi_webhook_refused_calls",
            "Calls that are no review as an API server sends it, by HTTP status",
            ("status",),
            registry=self._registry,
        )
        self.lost = Counter(
            "azwi_webhook_lost_connections",
            "Connections that were given up: crowded, descriptors, handshake, silent",
            ("reason",),
            registry=self._registry,
        )
        for reason in LOST_CONNECTIONS:
            self.lost.labels(reason)
        self.reads = Counter(
            "azwi_webhook_live_reads",
            "Single reads of objects that the cache did not have, by result",
            ("collection", "result"),
            registry=self._registry,
        )

    def watch(
        self,
        caches: Callable[[], Iterable[Held]],
        expiry: Callable[[], float],
        gone: Callable[[str], bool],
    ) -> None:
        """Report, at each scrape, the caches and the Unix time at which the certificate expires.

        ``gone``: whether a namespace has been deleted, and its series with it.
        """
        self._registry.register(_State(caches, expiry))
        self.requests.gone = gone

    def exposition(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry) + self.requests.exposition()


class Durations:
    """The histogram of reviews by namespace, written by itself.

    The library's own has an object with a lock for each bucket: with 32 buckets and thousands of
    namespaces that is tens of megabytes, and seconds for a scrape in which nobody is answered. Here
    a namespace is a list of 33 numbers and 35 lines.
    """

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self.gone: Callable[[str], bool] = lambda _: False
        """Whether a namespace has been deleted: some clusters make one for each pull request."""

    def observe(self, namespace: str, seconds: float) -> None:
        """Count one review; the namespace is one that there is: no sign of it needs escaping."""
        counts = self._counts.get(namespace)
        if counts is None:
            counts = self._counts[namespace] = [0] * (len(BUCKETS) + 1)
            self._sums[namespace] = 0.0
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._sums[namespace] += seconds

    def exposition(self) -> bytes:
        """The family in Prometheus's text format, its buckets added up as the format wants it."""
        for namespace in filter(self.gone, list(self._counts)):
            del self._counts[namespace], self._sums[namespace]
        lines = [f"# HELP {_NAME} Seconds for the review of a pod\n# TYPE {_NAME} histogram\n"]
        for namespace, counts in self._counts.items():
            label = f'namespace="{namespace}"}}'
            for head, total in zip(_EDGES, accumulate(counts), strict=True):
                lines.append(f"{head}{label} {total}.0\n")
            lines.append(f"{_NAME}_count{{{label} {total}.0\n")
            lines.append(f"{_NAME}_sum{{{label} {self._sums[namespace]}\n")
        return "".join(lines).encode()


class _State(Collector):
    """Gauges that are read when somebody scrapes."""

    def __init__(self, caches: Callable[[], Iterable[Held]], expiry: Callable[[], float]) -> None:
        self._caches = caches
        self._expiry = expiry

    def collect(self) -> Iterator[Metric]:
        """Build info, lost log lines, the caches, the certificate's end."""
        info = GaugeMetricFamily(
            "azwi_webhook_build_info", "Always 1; the version is the label", labels=("version",)
        )
        info.add_metric((__version__,), 1)
        yield info
        yield CounterMetricFamily(
            "azwi_webhook_log_lines_lost",
            "Log lines that were dropped because nobody read them in time",
            value=logs.lost(),
        )
        objects = GaugeMetricFamily(
            "azwi_webhook_cache_objects", "Objects in the cache", labels=("collection",)
        )
        watching = GaugeMetricFamily(
            "azwi_webhook_cache_watching",
            "1 while the watch runs; 0 while each review asks the API server itself",
            labels=("collection",),
        )
        size = GaugeMetricFamily(
            "azwi_webhook_cache_bytes", "Memory of what the cache holds", labels=("collection",)
        )
        largest = GaugeMetricFamily(
            "azwi_webhook_cache_largest_bytes",
            "All annotations of the largest object seen; few have more than 10,000",
            labels=("collection",),
        )
        for held in self._caches():
            objects.add_metric((held.collection,), held.objects)
            watching.add_metric((held.collection,), held.watching)
            size.add_metric((held.collection,), held.bytes)
            largest.add_metric((held.collection,), held.largest)
        yield from (objects, watching, size, largest)
        yield GaugeMetricFamily(
            "azwi_webhook_certificate_expiry_timestamp_seconds",
            "Unix time at which the serving certificate expires; 0 while there is none",
            value=self._expiry(),
        )
