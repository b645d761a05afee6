"""The plan: who is redirected, who is not, and why."""

from azwi_init import rules


def test_everybody_but_the_proxy_is_redirected() -> None:
    exempt, redirect = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=1501)

    assert (exempt.uid, exempt.to_port) == (1501, None)
    assert (redirect.uid, redirect.to_port) == (None, 8000)
    assert {(rule.ip, rule.port) for rule in (exempt, redirect)} == {("169.254.169.254", 80)}


def test_a_proxy_that_forwards_nothing_is_redirected_too() -> None:
    (redirect,) = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=None)

    assert (redirect.uid, redirect.to_port) == (None, 8000)


def test_every_rule_has_a_reason_that_both_backends_can_keep() -> None:
    plan = rules.plan(ip="169.254.169.254", port=65535, proxy_port=65535, exempt_uid=2**32 - 2)

    for rule in plan:
        assert 0 < len(rule.why) <= 128
        assert rule.why.isascii()
        assert not set("\"'\\\n!$`") & set(rule.why)
