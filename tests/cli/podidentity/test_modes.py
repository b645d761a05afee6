"""How the apps of a workload reach the sidecar, and what its pods say for it."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import pytest

from azwi_cli.podidentity import changes, modes, patches
from azwi_cli.podidentity.modes import Mode
from azwi_cli.podidentity.plan import Plan
from azwi_common import contract
from azwi_testing.podidentity import Object, binding, deployment, identity, merged
from azwi_webhook import settings

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))
MODE, MSI = contract.MODE_ANNOTATION, contract.MSI_ENDPOINT_ANNOTATION
OF_INIT = contract.PREFIX + "proxy-init-memory-limit"
REDIRECT, ENVIRONMENT = Mode.REDIRECT, Mode.ENVIRONMENT


def cart(**annotations: str) -> Object:
    thing = deployment("cart", account="cart")
    given = {contract.PREFIX + name.replace("_", "-"): text for name, text in annotations.items()}
    thing["spec"]["template"]["metadata"]["annotations"] = given
    return thing


def test_the_modes_are_the_webhooks() -> None:
    assert tuple(Mode) == get_args(settings.Mode)


@pytest.mark.parametrize(
    ("flag", "own", "webhooks", "mode"),
    [
        (None, {}, "", REDIRECT),
        (None, {}, None, REDIRECT),
        (None, {}, "environment", ENVIRONMENT),
        (None, {MODE: "redirect"}, "environment", REDIRECT),
        (None, {MODE: "environment"}, "redirect", ENVIRONMENT),
        (None, {MODE: "nonsense"}, "environment", ENVIRONMENT),
        (REDIRECT, {MODE: "environment"}, "environment", REDIRECT),
        (ENVIRONMENT, {MODE: "redirect"}, "redirect", ENVIRONMENT),
    ],
)
def test_the_flag_counts_before_the_workload_and_that_before_the_webhook(
    flag: Mode | None, own: Mapping[str, str], webhooks: str | None, mode: Mode
) -> None:
    assert modes.chosen(flag, own, webhooks) is mode


@pytest.mark.parametrize(
    ("flag", "mode", "given", "said"),
    [
        (None, REDIRECT, {}, {}),
        (REDIRECT, REDIRECT, {}, {MODE: "redirect"}),
        (None, REDIRECT, {MODE: "nonsense"}, {MODE: "redirect"}),
        (REDIRECT, REDIRECT, {MSI: "true"}, {MODE: "redirect", MSI: None}),
        (ENVIRONMENT, ENVIRONMENT, {}, {MODE: "environment"}),
        (None, ENVIRONMENT, {}, {MODE: "environment"}),
        (None, ENVIRONMENT, {MSI: "false"}, {MODE: "environment"}),
        (
            ENVIRONMENT,
            ENVIRONMENT,
            {OF_INIT: "9Mi"},
            {OF_INIT: None, MODE: "environment"},
        ),
    ],
)
def test_the_pods_say_the_mode_and_nothing_that_is_idle_in_it(
    flag: Mode | None, mode: Mode, given: Mapping[str, str], said: Mapping[str, str | None]
) -> None:
    assert modes.annotations(flag, mode, given) == said


@pytest.mark.parametrize(
    ("env", "mode"),
    [
        ([{"name": "AZWI_PROXY_MODE", "value": "environment"}], "environment"),
        ([{"name": "OTHER", "value": "environment"}], ""),
        ([{"name": "AZWI_PROXY_MODE", "valueFrom": {}}], ""),
        ([], ""),
    ],
)
def test_the_webhooks_mode_stands_in_its_deployment(env: list[Any], mode: str) -> None:
    containers = [{"name": "webhook", "env": env}]
    deployed = {"spec": {"template": {"spec": {"containers": containers}}}}
    assert modes.of_webhook(deployed) == mode


def test_a_deployment_without_containers_says_no_mode() -> None:
    assert modes.of_webhook({}) == ""


def test_both_ways_back_restore_what_was_said_before(planned: Planned) -> None:
    before = cart(proxy_mode="redirect", proxy_init_memory_limit="9Mi")
    found = planned(*KNOWN, before, proxy_mode=ENVIRONMENT)
    (item,) = found.items
    patched = merged(before, patches.workload(item))
    annotations = patched["spec"]["template"]["metadata"]["annotations"]
    assert annotations[MODE] == "environment"
    assert OF_INIT not in annotations
    assert merged(patched, patches.rollback(item)) == before
    (entry,) = changes.entries(found, changes.RESOURCE).values()
    done = merged(before, entry.patch)
    assert merged(done, changes.patch_back(entry, before)) == before
