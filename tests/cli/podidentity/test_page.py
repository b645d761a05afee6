"""The report as a web page."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

from azwi_cli.podidentity import page, plan, report
from azwi_cli.podidentity.facts import Facts
from azwi_testing.podidentity import binding, deployment, identity, pod

MADE = Callable[..., Facts]
VOID = {"meta", "wbr"}


def html(facts: Facts) -> str:
    return page.html(report.data(plan.plan(facts, plan.Options()), facts))


class Balanced(HTMLParser):
    """Fails at an element that is closed and not open, or the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_every_element_is_closed(facts: MADE) -> None:
    text = html(facts(identity("cart"), binding("cart"), deployment("cart")))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"(src|href)=|@import|url\(|<script", text)
    assert 'name="viewport"' in text


def test_what_others_have_written_is_text(facts: MADE) -> None:
    owned = pod("x")
    owner = {"kind": "<script>", "name": "<script>", "apiVersion": "<script>"}
    owned["metadata"]["ownerReferences"] = [owner]
    text = html(facts(deployment("cart", label="<script>alert(1)</script>"), owned))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_what_needs_somebody_comes_first(facts: MADE) -> None:
    text = html(
        facts(
            identity("cart"),
            binding("cart"),
            deployment("a-good-one", account="a"),
            deployment("z-bad-one", hostNetwork=True),
        )
    )
    assert text.index("z-bad-one") < text.index("a-good-one")


def test_without_workloads_it_says_so(facts: MADE) -> None:
    text = html(facts(identity("cart")))
    assert "there is nothing to migrate" in text
    assert "<table" not in text
