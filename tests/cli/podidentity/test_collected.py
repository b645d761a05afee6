"""Objects, sorted into facts."""

import pytest

from azwi_cli import errors
from azwi_cli.podidentity.collected import Collected
from azwi_testing.podidentity import Object, account, binding, deployment, identity, pod


def test_everything_finds_its_place() -> None:
    collected = Collected("shop")
    level = {"pod-security.kubernetes.io/enforce": "baseline"}
    for thing in (
        identity("i"),
        binding("b"),
        account("a"),
        deployment("d"),
        pod("p"),
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}},
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop", "labels": level}},
    ):
        collected.add(thing)
    facts = collected.facts(source="here", issuer="", namespaces=None, unread=("note",))
    assert [item.name for item in facts.identities] == ["i"]
    assert [item.name for item in facts.bindings] == ["b"]
    assert [item.name for item in facts.accounts] == ["a"]
    assert [item.ref.name for item in facts.workloads] == ["d", "p"]
    assert facts.pod_security == {"shop": "baseline"}
    assert (facts.source, facts.unread) == ("here", ("note",))


def test_what_is_there_twice_counts_once() -> None:
    collected = Collected("shop")
    collected.add(deployment("d", label="one"))
    collected.add(deployment("d", label="two"))
    (found,) = collected.workloads
    assert found.template
    assert found.template.labels["aadpodidbinding"] == "one"


def test_what_names_no_namespace_is_in_the_one_that_was_chosen() -> None:
    collected = Collected("here")
    thing = deployment("d")
    del thing["metadata"]["namespace"]
    collected.add(thing)
    assert collected.workloads[0].ref.namespace == "here"


@pytest.mark.parametrize(
    "thing",
    [
        deployment("../../etc/cron.d/x"),
        deployment("x", "../other"),
        deployment("x", account="a b"),
        pod("x\ntouch /tmp/y"),
        pod("${x}"),
        identity("$(x)"),
        pod(".."),
        pod(""),
    ],
)
def test_a_name_that_no_object_can_have_is_refused(thing: Object) -> None:
    """It would become a path, or a line of a script."""
    with pytest.raises(errors.BadInput, match="no Kubernetes object"):
        Collected("shop").add(thing)


def test_what_gets_its_name_when_it_is_made_is_known_by_the_beginning() -> None:
    collected = Collected("shop")
    for name in ("night-", "day-"):
        thing = pod("x")
        thing["metadata"] |= {"generateName": name}
        del thing["metadata"]["name"]
        collected.add(thing)
    assert [item.ref.name for item in collected.workloads] == ["night-", "day-"]
