"""Whatever pod comes: a valid patch or a sentence, nothing lost, a second pass changes nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from azwi_common import contract
from azwi_testing import admission
from azwi_webhook import mutate
from azwi_webhook.errors import Refused
from azwi_webhook.settings import Settings

NAMES = st.sampled_from(["app", "own", "mesh", "cache", "", "ü/~", "azwi-proxy", "azwi-proxy-init"])
SCALARS = st.none() | st.booleans() | st.integers(-1, 70000) | st.text(max_size=5)
NONSENSE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
ENV = st.fixed_dictionaries(
    {"name": st.sampled_from(["A", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZWI_FORWARD"])},
    optional={"value": st.text(max_size=5), "valueFrom": NONSENSE},
)
OWN_SECRET = "the-pods-own-secret-0123456789"
# What a user, or a hand that wrote azwi-proxy, may have said of environment mode already.
TOLD = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            [
                contract.IDENTITY_HEADER,
                contract.IDENTITY_ENDPOINT,
                contract.MSI_SECRET,
                contract.MSI_ENDPOINT,
                contract.POD_IDENTITY_AUTHORITY_HOST,
            ]
        ),
        "value": st.sampled_from(
            ["", OWN_SECRET, "http://127.0.0.1:8000/msi/token", "http://127.0.0.1:8000"]
        ),
    }
)
MOUNT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["data", "azure-identity-token"]),
        "mountPath": st.sampled_from(["/data", contract.TOKEN_MOUNT, contract.TOKEN_MOUNT + "/"]),
    }
)
PORT = st.fixed_dictionaries(
    {"containerPort": st.sampled_from([80, 81, 82, 83, 8000, 9464])},
    optional={"protocol": st.sampled_from(["TCP", "UDP"])},
)
QUANTITY = st.sampled_from(["1", "1000m", "48Mi", "1Gi", "0", "x"])
RESOURCES = st.dictionaries(
    st.sampled_from(["requests", "limits"]),
    st.none() | st.dictionaries(st.sampled_from(["cpu", "memory", "x/gpu"]), QUANTITY),
)
USER = st.fixed_dictionaries(
    {}, optional={"runAsUser": st.sampled_from([None, 0, 1000, 1001, 1501])}
)


def many(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(item, max_size=3)


CONTAINER = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "image": st.just(admission.PROXY_IMAGE) | st.text(max_size=5),
        "env": many(ENV | TOLD),
        "volumeMounts": many(MOUNT),
        "ports": many(PORT),
        "resources": st.none() | RESOURCES,
        "securityContext": st.none() | USER,
        "restartPolicy": st.just("Always"),
        "somethingNewer": NONSENSE,
    },
)
VOLUME = st.fixed_dictionaries(
    {"name": st.sampled_from(["data", "azure-identity-token", "ca"])},
    optional={"emptyDir": st.just({}), "projected": st.just({"sources": None})},
)
SPEC = st.fixed_dictionaries(
    {"containers": st.lists(CONTAINER, min_size=1, max_size=3)},
    optional={
        "initContainers": many(CONTAINER),
        "volumes": many(VOLUME),
        "imagePullSecrets": many(st.fixed_dictionaries({"name": st.sampled_from(["a", "b"])})),
        "serviceAccountName": st.text(max_size=5),
        "securityContext": st.none() | USER,
        "hostNetwork": st.sampled_from([None, False, False, True]),
        "os": st.sampled_from([None, {"name": "linux"}, {"name": "linux"}, {"name": "windows"}]),
        "nodeSelector": st.none() | st.dictionaries(st.just("kubernetes.io/os"), st.just("linux")),
        "resources": st.none() | RESOURCES,
        "ephemeralContainers": NONSENSE,
        "somethingNewer": NONSENSE,
    },
)
GOOD = {
    contract.EXPIRATION_ANNOTATION: ["3600", "86400"],
    contract.SKIP_CONTAINERS_ANNOTATION: ["app", "own; mesh", ""],
    contract.PORT_ANNOTATION: ["8000", "9000"],
    contract.PROXY_ONLY_ANNOTATION: ["true", "false"],
    contract.MODE_ANNOTATION: ["redirect", "environment", "environment"],
    contract.MSI_ENDPOINT_ANNOTATION: ["true", "false"],
    contract.IDENTITIES_ANNOTATION: ["[]", f'[{{"clientId":"{admission.CLIENT}"}}]'],
    contract.PREFIX + "proxy-forward": ["none", "all"],
    contract.PREFIX + "proxy-metrics-port": ["9464"],
    contract.PREFIX + "proxy-log-level": ["debug"],
    contract.PREFIX + "proxy-cpu-limit": ["50m", "1"],
    contract.PREFIX + "proxy-init-memory-request": ["1Gi"],
    contract.PREFIX + "x~y/z": ["unknown"],
    contract.DEFAULT_CONTAINER_ANNOTATION: ["own"],
    "other/a~1b": ["kept"],
}
ANNOTATIONS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in GOOD.items()}
)
BAD = st.dictionaries(st.sampled_from(sorted(contract.ALL_ANNOTATIONS)), st.text(max_size=8))
ASKING = st.tuples(ANNOTATIONS, st.sampled_from(["true", "true", "true", "false"])).map(
    lambda both: {**both[0], contract.INJECT_ANNOTATION: both[1]}
)
META = st.fixed_dictionaries(
    {"annotations": ASKING | ASKING | ASKING | ANNOTATIONS | BAD | st.none()},
    optional={
        "generateName": st.just("app-"),
        "labels": st.none() | st.just({contract.USE_LABEL: "true"}),
    },
)
POD = st.fixed_dictionaries({"metadata": META, "spec": SPEC}, optional={"status": NONSENSE})
ACCOUNTS = st.none() | st.builds(
    mutate.Account,
    st.just("app"),
    st.just({}),
    st.dictionaries(
        st.sampled_from(sorted(contract.ACCOUNT_ANNOTATIONS)),
        st.sampled_from([admission.CLIENT, "3600", f'[{{"clientId":"{admission.CLIENT}"}}]']),
    ),
)
CONFIGURED = st.sampled_from(
    [
        admission.settings(),
        admission.settings(
            AZWI_NATIVE_SIDECAR="false",
            AZWI_IMAGE_PULL_SECRETS="a c",
            AZWI_PROXY_VOLUMES='[{"name":"ca","configMap":{"name":"ca"}}]',
            AZWI_PROXY_ENV='[{"name":"AZWI_FORWARD","value":"none"},{"name":"X"}]',
        ),
        admission.settings(AZWI_PROXY_MODE="environment"),
    ]
)
AROUND = st.builds(admission.around, minor=st.sampled_from([26, 34]))


NEXT_SECRET = "another-pass-brings-another-0123"
SECRETS = (admission.SECRET, OWN_SECRET)


def outcome(pod: Any, *rest: Any) -> mutate.Admitted | str:
    """What was decided; a refusal is its sentence."""
    try:
        return mutate.admit(pod, *rest)
    except Refused as refused:
        return refused.sentence


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every scalar with the names above it, without places in arrays: those may shift."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from leaves(inner, path)
    elif value not in (None, [], {}):  # a null or an empty array may become an array
        yield path, json.dumps(value)


@given(POD, ACCOUNTS, AROUND, CONFIGURED)
@settings(max_examples=400)
def test_a_pod_is_admitted_without_loss_or_refused_with_a_sentence(
    pod: Any, account: mutate.Account | None, around: mutate.Surroundings, configured: Settings
) -> None:
    before = json.dumps(pod)
    decided = outcome(pod, account, around, configured)
    assert json.dumps(pod) == before
    if isinstance(decided, str):
        assert decided.endswith(".")
        return
    after = admission.applied(pod, decided.patch)
    kept = list(leaves(after))
    asked = (pod["metadata"]["annotations"] or {}).get(contract.INJECT_ANNOTATION, "").strip()
    inject, mode = (
        ("metadata", "annotations", name)
        for name in (contract.INJECT_ANNOTATION, contract.MODE_ANNOTATION)
    )
    may_go = {"false": [inject, mode], "true": [inject]}.get(asked, [])
    for leaf in leaves(pod):
        if leaf in kept:
            kept.remove(leaf)
        else:
            assert leaf[0] in may_go
            if asked == "true":
                assert (mode, '"environment"') in leaves(after)
    again = replace(around, secret=NEXT_SECRET)
    assert mutate.admit(after, account, again, configured).patch == []
    assert all(len(warning) <= 256 for warning in decided.warnings)
    assert not any(secret in text for secret in SECRETS for text in decided.warnings)


@given(POD, AROUND, CONFIGURED, st.sampled_from(["containers", "initContainers"]))
@settings(max_examples=200)
def test_whoever_is_told_where_to_ask_has_the_value_that_the_proxy_has(
    pod: Any, around: mutate.Surroundings, configured: Settings, field: str
) -> None:
    decided = outcome(pod, admission.account(), around, configured)
    assume(isinstance(decided, mutate.Admitted))
    assert isinstance(decided, mutate.Admitted)
    after = admission.applied(pod, decided.patch)
    after["spec"][field] = [*(after["spec"].get(field) or []), {"name": "later"}]
    later = replace(around, secret=NEXT_SECRET)
    second = mutate.admit(after, admission.account(), later, configured)
    done = admission.applied(after, second.patch)
    assert NEXT_SECRET not in json.dumps(done)
    told = admission.container(done, "later").get("env") or []
    given = {entry["name"]: entry["value"] for entry in told}
    assert ("IDENTITY_ENDPOINT" in given) is ("IDENTITY_HEADER" in given)
    assert "IMDS_ENDPOINT" not in given
    if header := given.get("IDENTITY_HEADER"):
        values = admission.values(admission.container(done, "azwi-proxy"))
        assert values["IDENTITY_HEADER"] == header


@given(POD, st.data())
@settings(max_examples=200)
def test_the_order_of_the_pods_own_containers_is_kept(pod: Any, data: st.DataObject) -> None:
    configured = data.draw(CONFIGURED)
    decided = outcome(pod, admission.account(), admission.around(), configured)
    assume(not isinstance(decided, str))
    assert isinstance(decided, mutate.Admitted)
    after = admission.applied(pod, decided.patch)
    for field in ("containers", "initContainers"):
        own = [item["name"] for item in pod["spec"].get(field) or []]
        now = [item["name"] for item in after["spec"].get(field) or []]
        injected = len(now) - len(own)
        assert injected in (0, 1, 2)
        remaining = iter(now)
        assert all(name in remaining for name in own)


@given(NONSENSE | st.fixed_dictionaries({"metadata": NONSENSE, "spec": NONSENSE}))
@settings(max_examples=300)
def test_what_is_no_pod_at_all_is_refused_or_left_alone(pod: Any) -> None:
    decided = outcome(pod, None, admission.around(), admission.settings())
    assert "correct it" in decided if isinstance(decided, str) else decided.patch == []


@pytest.mark.parametrize("field", ["metadata", "spec"])
@given(NONSENSE)
@settings(max_examples=100)
def test_nonsense_in_a_part_of_a_pod_is_no_crash(field: str, nonsense: Any) -> None:
    pod = {**admission.with_sidecar(), field: nonsense}
    around, configured = admission.around(), admission.settings()
    decided = outcome(pod, None, around, configured)
    if isinstance(decided, mutate.Admitted):
        assert mutate.account_name(pod)
        mutate.takes_part(pod, None, around, configured)
