"""The proxy's metrics, their names and labels. Label values are few, and none is a secret."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from azwi_common import __version__, logs
from azwi_common.logs import short

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4  # every Prometheus reads it
MAX_CLIENTS = 64
"""Identities that get a label value of their own in the expiry gauge; the others are left out."""

# An exchange takes 50 to 500 ms, and is given up after 10 s.
_EXCHANGE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10)


class Metrics:
    """One registry, so that two proxies in one process (tests) do not meet."""

    def __init__(self) -> None:
        # A start time beside every counter would double the series.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it bare
        self._take_replays: Callable[[], int] = lambda: 0
        self._registry = CollectorRegistry(auto_describe=False)
        self.requests = Counter(
            "azwi_proxy_requests",
            "Requests by route, status and reason (ok, or what was wrong)",
            ("route", "status", "reason"),
            registry=self._registry,
        )
        self.hits = Counter(
            "azwi_proxy_token_cache_hits",
            "Token requests answered from the store",
            registry=self._registry,
        )
        self.exchanges = Histogram(
            "azwi_proxy_exchange_seconds",
            "Time of token exchanges by result",
            ("result",),
            buckets=_EXCHANGE_BUCKETS,
            registry=self._registry,
        )

    def watch(
        self,
        least_remaining: Callable[[], Mapping[str, float]],
        take_replays: Callable[[], int] = lambda: 0,
    ) -> None:
        """Report, at each scrape, the tokens' life as the store says, and answers sent again."""
        self._registry.register(_State(least_remaining))
        self._take_replays = take_replays

    def exposition(self) -> bytes:
        """Everything in Prometheus's text format."""
        if replays := self._take_replays():
            self.hits.inc(replays)
            self.requests.labels("token", 200, "ok").inc(replays)
        return generate_latest(self._registry)


class _State(Collector):
    """Gauges that are read when somebody scrapes."""

    def __init__(self, least_remaining: Callable[[], Mapping[str, float]]) -> None:
        self._least_remaining = least_remaining

    def collect(self) -> Iterator[Metric]:
        """Build info, lost log lines, and the first expiry by (shortened) client id."""
        info = GaugeMetricFamily(
            "azwi_proxy_build_info", "Always 1; the version is the label", labels=("version",)
        )
        info.add_metric((__version__,), 1)
        yield info
        yield CounterMetricFamily(
            "azwi_proxy_log_lines_lost",
            "Log lines that were dropped because nobody read them in time",
            value=logs.lost(),
        )
        expiry = GaugeMetricFamily(
            "azwi_proxy_token_expiry_seconds",
            "Seconds to the first expiry among an identity's live tokens",
            labels=("client",),
        )
        least: dict[str, float] = {}
        for client, seconds in self._least_remaining().items():
            least[short(client)] = min(seconds, least.get(short(client), seconds))
        for client, seconds in list(least.items())[:MAX_CLIENTS]:
            expiry.add_metric((client,), seconds)
        yield expiry
