"""Documents with aliases and merges, which text alone cannot change."""

from azwi_cli.inject import manifests, pointers, trees

TEXT = """\
# head
--- # marker
env: &env
  - name: A   # of A
    value: 'q'
a:
  env: *env
b: &b
  env: *env
  # above x
  x: "1"
c:
  <<: *b
  y: 2
"""


def rewritten(*changes: tuple[str, str, object], text: str = TEXT) -> str:
    patch = [{"op": op, "path": path, "value": value} for op, path, value in changes]
    after = trees.rewritten(text, [((), operation) for operation in patch])
    assert manifests.parsed(after) == pointers.applied(manifests.parsed(text), patch)
    return after


def test_what_an_alias_shares_changes_in_one_place_alone() -> None:
    after = rewritten(("add", "/a/env/-", {"name": "B", "value": "true"}))
    assert after.startswith("# head\n--- # marker\n")
    assert "# of A" in after
    assert "# above x" in after
    assert manifests.parsed(after)["b"]["env"] == [{"name": "A", "value": "q"}]


def test_a_merge_gets_a_member_of_its_own() -> None:
    after = rewritten(("add", "/c/env/-", {"name": "B"}), ("add", "/c/z", 1))
    assert len(manifests.parsed(after)["b"]["env"]) == 1


def test_an_anchor_can_be_changed_without_its_aliases() -> None:
    after = rewritten(("add", "/env/0", {"name": "0"}), ("remove", "/env/1", None))
    assert manifests.parsed(after)["a"]["env"] == [{"name": "A", "value": "q"}]


def test_text_that_was_put_in_is_text_for_every_reader() -> None:
    assert 'k: "on"' in rewritten(("add", "/k", "on"))
