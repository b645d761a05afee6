"""What a scrape shows."""

from azwi_common import __version__
from azwi_proxy.metrics import MAX_CLIENTS, Metrics


def test_a_scrape_has_the_names_that_dashboards_rely_on() -> None:
    metrics = Metrics()
    metrics.watch(dict)
    metrics.requests.labels("token", 200, "ok").inc()
    metrics.hits.inc()
    metrics.exchanges.labels("ok").observe(0.1)
    text = metrics.exposition().decode()
    assert f'azwi_proxy_build_info{{version="{__version__}"}} 1.0' in text
    assert 'azwi_proxy_requests_total{reason="ok",route="token",status="200"} 1.0' in text
    assert "azwi_proxy_token_cache_hits_total 1.0" in text
    assert 'azwi_proxy_exchange_seconds_bucket{le="0.1",result="ok"} 1.0' in text
    assert "_created" not in text


def test_client_ids_are_cut_to_eight_characters_and_share_a_series_then() -> None:
    metrics = Metrics()
    metrics.watch(lambda: {"12345678-a": 50.0, "12345678-b": 40.0})
    text = metrics.exposition().decode()
    assert text.count("azwi_proxy_token_expiry_seconds{") == 1
    assert 'azwi_proxy_token_expiry_seconds{client="12345678"} 40.0' in text


def test_a_thousand_identities_do_not_make_a_thousand_series() -> None:
    metrics = Metrics()
    metrics.watch(lambda: {f"{number:08x}-x": 1.0 for number in range(1000)})
    text = metrics.exposition().decode()
    assert text.count("azwi_proxy_token_expiry_seconds{") == MAX_CLIENTS
