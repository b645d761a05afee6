"""What people and programs read."""

from collections.abc import Callable
from typing import Any

from azwi_cli.podidentity import plan, report
from azwi_cli.podidentity.facts import Facts
from azwi_testing.podidentity import CLIENT, binding, deployment, identity

MADE = Callable[..., Facts]
KNOWN = (identity("cart"), binding("cart"))


def data(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = report.data(plan.plan(facts, plan.Options()), facts)
    return found


def test_programs_find_every_workload_with_result_and_reasons(facts: MADE) -> None:
    found = data(facts(*KNOWN, deployment("cart"), issuer="https://issuer.example"))
    assert found["summary"] == {
        "workloads": 1,
        "migrated": 0,
        "migrates": 1,
        "by hand": 0,
        "asks": 0,
        "does not migrate": 0,
        "gets nothing": 0,
    }
    (item,) = found["workloads"]
    assert item["default"] == CLIENT
    assert item["serviceAccount"] == {"name": "cart", "new": True, "replaces": "default"}
    assert [reason["code"] for reason in item["reasons"]] == ["new-account"]
    (credential,) = found["federatedCredentials"]
    assert credential["subject"] == "system:serviceaccount:shop:cart"
    assert credential["name"].startswith("shop-cart-")


def test_people_get_a_row_for_each_and_the_reasons_below(facts: MADE) -> None:
    found = data(facts(*KNOWN, deployment("cart"), deployment("net", hostNetwork=True)))
    assert list(report.rows(found)) == [
        ("shop", "deployment/cart", "0", "cart", "cart (new)", "migrates"),
        ("shop", "deployment/net", "0", "cart", "default", "does not migrate"),
    ]
    text = report.told(found)
    assert "shop/deployment/net: does not migrate\n  - The pods use the node's network" in text
    assert text.endswith("2 workloads: 1 migrates, 1 does not migrate.")


def test_complete_means_that_nothing_is_left_to_anybody(facts: MADE) -> None:
    assert report.is_complete(data(facts(*KNOWN, deployment("cart"))))
    assert report.is_complete(data(facts(*KNOWN)))
    assert not report.is_complete(data(facts(*KNOWN, deployment("c", hostNetwork=True))))
    many = [deployment(f"app-{n}", account=f"app-{n}") for n in range(21)]
    assert not report.is_complete(data(facts(*KNOWN, *many)))


def test_where_there_is_nothing_it_says_so(facts: MADE) -> None:
    assert "nothing to migrate" in report.told(data(facts(*KNOWN)))
