"""The webhook's life: when it is ready, and how it ends."""

import json
import re
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azwi_testing.apiserver import ApiServer, Fault, until
from azwi_testing.webhooks import (
    CONFIGURATIONS,
    NAMESPACE,
    SECRET,
    SERVER_NAME,
    Shared,
    StartWebhook,
    Webhook,
    review,
)
from azwi_webhook import authority, serve


def problem(webhook: Webhook) -> str:
    """What /readyz says, once it says anything."""

    def ask() -> str:
        try:
            return webhook.ask("/readyz").body.decode()
        except OSError:
            return ""

    return until(ask, 15)


def test_it_is_ready_only_once_it_knows_the_cluster(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    api.faults.append(Fault("/api/v1/serviceaccounts", 500))
    webhook = start_webhook(ready=False)
    until(lambda: "service accounts is not whole" in problem(webhook), 15)
    assert webhook.ask("/healthz").status == 200
    api.faults.clear()
    webhook.wait_until_ready()


def test_it_is_ready_only_once_the_api_server_trusts_its_certificate(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    api.faults.append(Fault(CONFIGURATIONS, 500, method="PATCH"))
    webhook = start_webhook(ready=False)
    until(lambda: "500 to PATCH" in problem(webhook), 15)
    api.faults.clear()
    webhook.wait_until_ready()


def _write(folder: Path, names: list[str]) -> bytes:
    made = authority.make(names, datetime.now(UTC), timedelta(days=1))
    for name, text in made.items():
        (folder / name).write_text(text)
    return made["ca.crt"].encode()


def test_files_that_are_given_are_served_and_renewed_and_nothing_else_is_touched(
    api: ApiServer, start_webhook: StartWebhook, tmp_path: Path
) -> None:
    trust = _write(tmp_path, [SERVER_NAME])
    webhook = start_webhook("--disable-cert-rotation", f"--webhook-cert-dir={tmp_path}")
    assert webhook.call(review(), trust=trust).status == 200
    renewed = _write(tmp_path, [SERVER_NAME])

    def served() -> bool:
        try:
            return webhook.call(review(), trust=renewed).status == 200
        except OSError:
            return False

    until(served, 15)
    assert not any("secrets" in path or CONFIGURATIONS in path for path in api.asked)


def test_a_certificate_of_another_name_is_never_ready(
    start_webhook: StartWebhook, tmp_path: Path
) -> None:
    _write(tmp_path, ["other.ns.svc"])
    webhook = start_webhook(
        "--disable-cert-rotation", f"--webhook-cert-dir={tmp_path}", ready=False
    )
    until(lambda: "Hostname mismatch" in problem(webhook), 15)
    assert SERVER_NAME in problem(webhook)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_without_a_refused_call_and_ends_with_0(
    api: ApiServer, start_webhook: StartWebhook, number: signal.Signals
) -> None:
    api.account("shop", "app", client_id="x")
    webhook = start_webhook()
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    webhook.process.send_signal(number)
    answered = 0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert webhook.call(review(), trust=trust).status == 200
        answered += 1
    assert answered > 10
    assert webhook.ask("/readyz").body == b"This replica is ending.\n"
    assert webhook.process.wait(10) == 0
    assert "Traceback" not in webhook.log
    assert json.loads(webhook.log.splitlines()[-1])["msg"] == "ended"


def test_what_is_in_flight_at_the_end_is_answered(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    webhook = start_webhook()
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    api.account("shop", "slow", client_id="x")
    api.faults.append(Fault("watch=true", 500))
    api.cut()
    api.faults.append(Fault("serviceaccounts/", 500, times=1, seconds=4))
    until(lambda: b'watching{collection="serviceaccounts"} 0' in webhook.ask("/metrics").body)
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(webhook.call(review(), trust=trust).status)
    )
    asking.start()
    time.sleep(0.3)
    assert webhook.stop() == 0
    asking.join()
    assert answers == [200]


def test_a_second_signal_ends_the_draining(start_webhook: StartWebhook) -> None:
    webhook = start_webhook()
    started = time.monotonic()
    webhook.process.send_signal(signal.SIGTERM)
    until(lambda: '"draining"' in webhook.log)
    assert webhook.stop() == 0
    assert time.monotonic() - started < serve.DRAIN


def test_an_api_server_that_is_away_at_the_start_is_awaited(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    api.stop()
    webhook = start_webhook(ready=False)
    until(lambda: "version" in problem(webhook), 15)
    api.start()
    webhook.wait_until_ready()


def test_a_restarted_api_server_costs_no_readiness(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    webhook = start_webhook()
    api.stop()
    time.sleep(1)
    assert webhook.ask("/readyz").status == 200
    api.start()
    api.account("shop", "later", client_id="x")
    until(lambda: b'objects{collection="serviceaccounts"} 1' in webhook.ask("/metrics").body)


def test_a_port_in_use_is_a_sentence_and_exit_1(start_webhook: StartWebhook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        webhook = start_webhook(f"--health-addr=127.0.0.1:{port}", ready=False)
        assert webhook.process.wait(15) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in webhook.log
    assert "Traceback" not in webhook.log


def test_no_way_to_an_api_server_is_a_sentence_and_exit_1(
    start_webhook: StartWebhook, tmp_path: Path
) -> None:
    webhook = start_webhook(ready=False, KUBECONFIG=str(tmp_path / "nothing"))
    assert webhook.process.wait(15) == 1
    assert "set KUBECONFIG to a file" in webhook.log
    assert "Traceback" not in webhook.log


def test_no_secret_stands_in_the_log(shared: Shared) -> None:
    shared.decide(review())
    secret = shared.api.secret(NAMESPACE, SECRET)
    key = secret["tls.key"].decode().splitlines()[1]
    assert key not in shared.webhook.log
    assert "PRIVATE" not in shared.webhook.log


def test_thousands_of_service_accounts_take_little_memory(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    managed = [{"manager": "helm", "fieldsV1": {f"f:{number}": {} for number in range(30)}}]
    labels = {f"app.kubernetes.io/{number}": "x" * 20 for number in range(6)}

    def account(number: int) -> dict[str, object]:
        metadata = {"name": f"account-{number}", "namespace": f"team-{number % 500}"}
        return {"metadata": {**metadata, "labels": labels, "managedFields": managed}}

    api.fill("serviceaccounts", map(account, range(5000)))
    webhook = start_webhook()
    status = Path(f"/proc/{webhook.process.pid}/status").read_text()
    most = re.search(r"VmHWM:\s+(\d+)", status)
    assert most is not None
    assert int(most[1]) / 1024 < 65


def _signed(folder: Path, name: str, signer: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """A CA, or a client certificate that one signed; its PEM is in the folder, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer, signing = (signer[0].subject, signer[1]) if signer else (named, key)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer, named, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / name).write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def test_where_reviews_need_the_api_servers_certificate_nobody_else_gets_an_answer(
    api: ApiServer, start_webhook: StartWebhook, tmp_path: Path
) -> None:
    """A pod that reached the port could learn every account's client id from a patch."""
    api.account("shop", "app", client_id="11111111-0000-4000-8000-000000000001")
    ca, other = _signed(tmp_path, "ca"), _signed(tmp_path, "other-ca")
    _signed(tmp_path, "kube-apiserver", ca)
    _signed(tmp_path, "kubelet", ca)
    _signed(tmp_path, "stranger", other)
    webhook = start_webhook(  # ready: so its call of itself, which has no certificate, went well
        f"--client-ca-file={tmp_path / 'ca'}", "--client-names=kube-apiserver"
    )
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    answer = webhook.call(review(), trust=trust, client=tmp_path / "kube-apiserver")
    assert answer.json["response"]["allowed"] is True
    for client, sentence in ((None, b"client certificate"), ("kubelet", b"AZWI_CLIENT_NAMES")):
        answer = webhook.call(review(), trust=trust, client=tmp_path / client if client else None)
        assert (answer.status, sentence in answer.body) == (403, True)
        assert b"11111111" not in answer.body
    with pytest.raises(OSError):  # TLS says it in several ways
        webhook.call(review(), trust=trust, client=tmp_path / "stranger")
    answer = webhook.call(b"", trust=trust, method="GET", target="/healthz", headers={})
    assert answer.status == 403


def test_a_file_of_client_cas_that_is_none_is_a_sentence_and_exit_1(
    start_webhook: StartWebhook, tmp_path: Path
) -> None:
    (tmp_path / "ca").write_text("no PEM")
    for name in ("ca", "missing"):
        webhook = start_webhook(f"--client-ca-file={tmp_path / name}", ready=False)
        assert webhook.process.wait(15) == 1
        assert "--client-ca-file must name a file of PEM certificates" in webhook.log
