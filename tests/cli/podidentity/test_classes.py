"""SecretProviderClasses that aad-pod-identity or the node serves."""

from collections.abc import Callable

from azwi_cli.podidentity import classes, plan
from azwi_cli.podidentity.facts import Facts
from azwi_testing.podidentity import CLIENT, OTHER, Object, binding, deployment, identity

MADE = Callable[..., Facts]


def secret_class(name: str = "s", provider: str = "azure", **parameters: str) -> Object:
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"provider": provider, "parameters": parameters},
    }


def mounts(name: str, label: str = "cart") -> Object:
    volume = {
        "name": "s",
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "volumeAttributes": {"secretProviderClass": "s"},
        },
    }
    return deployment(name, label=label, volumes=[volume])


KNOWN = (identity("cart"), binding("cart"), identity("o", client=OTHER), binding("o"))


def tied(facts: Facts) -> list[tuple[str, frozenset[str]]]:
    found = classes.tied(plan.plan(facts, plan.Options()), facts)
    return [(thing.name, clients) for thing, clients in found]


def test_the_client_id_is_that_of_the_workloads_that_mount_it(facts: MADE) -> None:
    thing = secret_class(usePodIdentity="true")
    assert tied(facts(*KNOWN, thing, mounts("a"), mounts("b"))) == [("s", frozenset({CLIENT}))]
    both = facts(*KNOWN, thing, mounts("a"), mounts("b", label="o"))
    assert tied(both) == [("s", frozenset({CLIENT, OTHER}))]
    assert classes.one(frozenset({CLIENT, OTHER})) == ""
    assert classes.one(frozenset({CLIENT})) == CLIENT


def test_one_that_nobody_mounts_is_told_too(facts: MADE) -> None:
    assert tied(facts(secret_class(useVMManagedIdentity="TRUE"))) == [("s", frozenset())]


def test_others_are_left_out(facts: MADE) -> None:
    others = (
        secret_class("a", clientID=CLIENT),
        secret_class("b", usePodIdentity="false"),
        secret_class("c", provider="vault", usePodIdentity="true"),
    )
    assert tied(facts(*others)) == []
    elsewhere = facts(secret_class(usePodIdentity="true"), namespaces=frozenset({"other"}))
    assert tied(elsewhere) == []
