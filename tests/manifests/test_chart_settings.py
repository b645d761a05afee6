"""What the chart tells the program."""

from pathlib import Path
from typing import Any

import pytest

from azwi_common.settings import describe, load
from azwi_testing import chart
from azwi_webhook.settings import Settings

pytestmark = pytest.mark.helm


@pytest.mark.parametrize("name", chart.VALUES)
def test_the_program_knows_every_variable_that_is_set(helm4: Path, name: str) -> None:
    objects = chart.rendered(helm4, chart.VALUES[name])
    container = chart.pod_of(objects)["containers"][0]
    extra = {item["name"] for item in chart.VALUES[name].get("extraEnv", ())}
    names = [item["name"] for item in container["env"]]
    assert len(names) == len(set(names))
    assert set(names) - extra <= {item.env.name for item in describe(Settings)}


@pytest.mark.parametrize("name", chart.VALUES)
def test_the_program_loads_what_is_set(helm4: Path, name: str) -> None:
    load(Settings, chart.variables(chart.rendered(helm4, chart.VALUES[name])))


def test_without_choices_the_program_has_its_own_defaults(helm4: Path) -> None:
    settings = load(Settings, chart.variables(chart.rendered(helm4, {})))
    plain = Settings(
        tenant_id=chart.LEAST["azureTenantID"],
        proxy_image="registry.example/azwi-proxy:0.1.0",
        proxy_init_image="registry.example/azwi-proxy-init:0.1.0",
    )
    resources = ("proxy_resources", "proxy_init_resources")  # the same, in another order
    for setting in describe(Settings):
        there, here = (getattr(each, setting.field) for each in (settings, plain))
        if setting.field in resources:
            there, here = there.value, here.value
        assert there == here, setting.field


def test_every_choice_reaches_the_program(helm4: Path) -> None:
    settings = load(Settings, chart.variables(chart.rendered(helm4, chart.FULL)))
    assert settings.environment == "AzureChinaCloud"
    assert settings.login_host == "https://login.example/"
    assert settings.token_audience == "api://Example"
    assert settings.opt_in == ("pod", "namespace", "serviceaccount")
    assert (settings.native_sidecar, settings.gate) == ("true", "startup-probe")
    assert settings.iptables_mode == "legacy"
    assert settings.proxy_image == "registry.example/other/proxy:2"
    assert settings.proxy_init_image == "registry.example/other/init:2"
    assert settings.proxy_mode == "environment"
    assert (settings.pull_policy, settings.pull_secrets) == ("Always", ("one", "two"))
    assert settings.proxy_resources.value["requests"] == {"cpu": "1", "memory": "64Mi"}
    assert settings.proxy_env.items == chart.FULL["proxy"]["env"]
    assert settings.proxy_env_from.items == chart.FULL["proxy"]["envFrom"]
    assert settings.proxy_volumes.items == chart.FULL["proxy"]["extraVolumes"]
    assert settings.proxy_volume_mounts.items == chart.FULL["proxy"]["extraVolumeMounts"]
    assert settings.custom_suffix == "identity-binding"
    assert settings.custom_audience == "api://AKSIdentityBinding"
    assert settings.token_proxy == "https://token-proxy.example"
    assert settings.token_proxy_sni == "token-proxy.example"
    assert settings.token_proxy_ca_signer == "example.com/signer"
    assert settings.token_proxy_ca_selector == '{"matchLabels":{"a":"b"}}'
    assert settings.webhook_address == ("", 10443)
    assert settings.metrics_address == ("0.0.0.0", 9095)
    assert settings.client_ca == "/client-ca/ca.crt"
    assert settings.client_names == ("kube-apiserver",)
    assert settings.tls_min_version == "1.2"
    assert settings.configuration == "10-other-name"
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "registry.example/azwi-webhook:0.1.0"),
        ({"release": "2"}, "registry.example/azwi-webhook:0.1.0"),
        ({"tag": None, "release": "2"}, "registry.example/azwi-webhook:2"),
        (
            {"digest": f"sha256:{'0' * 64}"},
            f"registry.example/azwi-webhook:0.1.0@sha256:{'0' * 64}",
        ),
        (
            {"tag": None, "digest": f"sha256:{'0' * 64}"},
            f"registry.example/azwi-webhook@sha256:{'0' * 64}",
        ),
    ],
    ids=["tag", "tag-first", "release", "both", "digest"],
)
def test_the_image_is_what_tag_release_and_digest_say(
    helm4: Path, image: dict[str, Any], reference: str
) -> None:
    injected = {"proxy": {"image": "a/b:1"}, "proxyInit": {"image": "a/c:1"}}
    objects = chart.rendered(helm4, {"image": image, **injected})
    assert chart.pod_of(objects)["containers"][0]["image"] == reference


def test_the_injected_images_follow_from_the_webhooks(helm4: Path) -> None:
    image = {"repository": "registry.example:5000/a/azwi-webhook", "tag": "2"}
    told = chart.variables(chart.rendered(helm4, {"image": image}))
    assert told["PROXY_IMAGE"] == "registry.example:5000/a/azwi-proxy:2"
    assert told["PROXY_INIT_IMAGE"] == "registry.example:5000/a/azwi-proxy-init:2"


@pytest.mark.parametrize(
    "image",
    [
        {"repository": "registry.example/webhook"},
        {"tag": None, "digest": "sha256:" + "0" * 64},
    ],
)
def test_where_they_do_not_follow_a_sentence_says_what_to_set(
    helm: Path, image: dict[str, Any]
) -> None:
    done = chart.template(helm, {"image": image})
    assert done.returncode != 0
    assert "proxy.image is not set, and does not follow" in done.stderr
    named = {"proxy": {"image": "a/b:1"}, "proxyInit": {"image": "a/c:1"}}
    assert chart.template(helm, {"image": image, **named}).returncode == 0
