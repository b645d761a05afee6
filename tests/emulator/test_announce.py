"""What the person at the terminal reads."""

import dataclasses
import shlex

from azwi_emulator import announce
from azwi_emulator.messages import Announcement

WHERE = Announcement(
    authority_host="https://127.0.0.1:1/",
    issuer="https://127.0.0.1:1/issuer/",
    graph_url="https://127.0.0.1:1/graph",
    arm_url="https://127.0.0.1:1/arm",
    subscription_id="s",
    resource_group="g",
    control_url="http://127.0.0.1:2",
    tenant_id="t",
    client_id="c",
    subject="system:serviceaccount:default:demo",
    ca_file="/tmp/my dir/ca.pem",
    token_file="/tmp/my dir/token",
    data_dir="/tmp/my dir",
    token_proxy_url=None,
    token_proxy_sni_name=None,
    token_proxy_ca_file=None,
    token_proxy_token_file=None,
    version="1",
    pid=1,
)


def test_all_but_comments_are_exports_that_a_shell_reads() -> None:
    lines = [line for line in announce.text(WHERE).splitlines() if line and line[0] != "#"]
    exported = [shlex.split(line) for line in lines if line.startswith("export")]
    assert dict(words[1].split("=", 1) for words in exported) == {
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1/",
        "AZURE_TENANT_ID": "t",
        "AZURE_CLIENT_ID": "c",
        "AZURE_FEDERATED_TOKEN_FILE": "/tmp/my dir/token",
        "SSL_CERT_FILE": "/tmp/my dir/ca.pem",
        "REQUESTS_CA_BUNDLE": "/tmp/my dir/ca.pem",
    }


def test_a_command_to_try_is_printed_with_files_in_place_of_tokens() -> None:
    (line,) = [line for line in announce.text(WHERE).splitlines() if line.startswith("curl")]
    words = shlex.split(line)
    assert words[-1] == "https://127.0.0.1:1/t/oauth2/v2.0/token"
    assert "client_assertion@/tmp/my dir/token" in words


def test_the_control_url_is_printed_where_there_is_one() -> None:
    assert "http://127.0.0.1:2/" in announce.text(WHERE)
    assert "Steer" not in announce.text(dataclasses.replace(WHERE, control_url=None))


def test_graph_and_arm_are_named_with_what_is_ready_there() -> None:
    named = "# Microsoft Graph: https://127.0.0.1:1/graph, ARM: https://127.0.0.1:1/arm"
    assert f"{named} (subscription s, resource group g)" in announce.text(WHERE)


def test_the_token_proxy_is_offered_in_comments() -> None:
    proxied = dataclasses.replace(
        WHERE,
        token_proxy_url="https://127.0.0.1:3/token-proxy",
        token_proxy_sni_name="x.ests.aks",
        token_proxy_ca_file="/ca",
        token_proxy_token_file="/token",
    )
    lines = announce.text(proxied).splitlines()
    assert "# export AZURE_KUBERNETES_TOKEN_PROXY=https://127.0.0.1:3/token-proxy" in lines
    assert "# export AZURE_FEDERATED_TOKEN_FILE=/token" in lines
    assert announce.token_proxy_variables(WHERE) == {}
