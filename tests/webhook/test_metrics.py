"""What a scrape shows."""

import re

from azwi_common import __version__
from azwi_webhook.metrics import BUCKETS, LOST_CONNECTIONS, Held, Metrics

# The Go reference's, as it exposes them.
EDGES = [
    *(f"0.00{number}" for number in range(1, 10)),
    *(f"0.0{number}" for number in range(1, 10)),
    *(f"0.{number}" for number in range(1, 10)),
    *("1.0", "1.5", "2.0", "2.5", "3.0", "+Inf"),
]


def test_the_histogram_has_the_name_and_the_buckets_that_dashboards_know() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.0015, 0.25, 7.0):
        metrics.requests.observe("shop", seconds)
    text = metrics.exposition().decode()
    found = re.findall(
        r'azwi_mutation_request_bucket{le="([^"]+)",namespace="shop"} ([\d.]+)', text
    )
    assert [edge for edge, _ in found] == EDGES
    counts = {edge: float(count) for edge, count in found}
    assert (counts["0.001"], counts["0.002"], counts["0.2"], counts["0.3"]) == (2, 3, 3, 4)
    assert (counts["3.0"], counts["+Inf"]) == (4, 5)
    assert 'azwi_mutation_request_count{namespace="shop"} 5.0' in text
    assert 'azwi_mutation_request_sum{namespace="shop"} 7.253' in text
    assert len(BUCKETS) == 32


def test_a_scrape_has_the_other_names_too_and_no_created_series() -> None:
    metrics = Metrics()
    metrics.watch(
        lambda: [Held("serviceaccounts", 7, watching=True, bytes=9, largest=5)],
        lambda: 1.8e9,
        lambda _: False,
    )
    metrics.reviews.labels("mutated").inc()
    metrics.reads.labels("serviceaccounts", "found").inc()
    text = metrics.exposition().decode()
    assert f'azwi_webhook_build_info{{version="{__version__}"}} 1.0' in text
    assert 'azwi_webhook_reviews_total{result="mutated"} 1.0' in text
    reads = 'azwi_webhook_live_reads_total{collection="serviceaccounts",result="found"} 1.0'
    assert reads in text
    assert 'azwi_webhook_cache_objects{collection="serviceaccounts"} 7.0' in text
    assert 'azwi_webhook_cache_watching{collection="serviceaccounts"} 1.0' in text
    assert 'azwi_webhook_cache_bytes{collection="serviceaccounts"} 9.0' in text
    assert 'azwi_webhook_cache_largest_bytes{collection="serviceaccounts"} 5.0' in text
    for reason in LOST_CONNECTIONS:  # each from the start: an alert cannot see a first increase
        assert f'azwi_webhook_lost_connections_total{{reason="{reason}"}} 0.0' in text
    assert "azwi_webhook_certificate_expiry_timestamp_seconds 1.8e+09" in text
    assert "_created" not in text


def test_a_namespace_that_is_gone_is_forgotten() -> None:
    """Where each pull request has a namespace, a replica would grow until it is killed."""
    metrics = Metrics()
    gone = {"preview-1"}
    metrics.watch(list, lambda: 0.0, gone.__contains__)
    for namespace in ("shop", "preview-1", ""):
        metrics.requests.observe(namespace, 0.1)
    assert "preview-1" not in metrics.exposition().decode()
    gone.clear()
    text = metrics.exposition().decode()
    assert "preview-1" not in text
    assert 'azwi_mutation_request_count{namespace="shop"} 1.0' in text
    assert 'azwi_mutation_request_count{namespace=""} 1.0' in text
