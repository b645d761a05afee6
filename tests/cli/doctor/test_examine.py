"""Every fault that is seeded is found, by its own check, and a healthy pod is left in peace."""

import copy
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azwi_cli.checks import Check, Status
from azwi_cli.doctor import examine
from azwi_cli.doctor.facts import Asked, Facts, Unread
from azwi_cli.serviceaccount.known import Credential, Kind, Target
from azwi_commands import patients
from azwi_common import contract
from azwi_testing import admission

WARN, FAIL = Status.WARN, Status.FAIL


def every(facts: Facts) -> list[Check]:
    return examine.every_check([examine.cluster(facts.around), examine.pod(facts)])


def bad(facts: Facts) -> list[tuple[str, Status]]:
    return [(item.name, item.status) for item in every(facts) if item.status is not Status.PASS]


def label(value: object) -> Facts:
    pod = patients.raw_pod()
    pod["metadata"]["labels"] = value
    return patients.facts(pod=pod)


def owner_alone() -> Facts:
    pod = patients.raw_pod()
    pod["metadata"]["labels"] = {}
    return patients.facts(pod=pod, owner={"metadata": {"labels": {contract.USE_LABEL: "true"}}})


def an_annotation() -> Facts:
    pod = patients.raw_pod()
    pod["metadata"]["labels"] = {}
    pod["metadata"]["annotations"][contract.USE_LABEL] = "true"
    return patients.facts(pod=pod)


def changed(change: Callable[[Any], Any], **given: Any) -> Facts:
    """The healthy pod after ``change``."""
    pod = patients.pod(**given)
    change(pod)
    return patients.facts(pod=pod)


def status(name: str, **now: Any) -> Facts:
    """The healthy pod, with another status of one container."""

    def change(pod: Any) -> None:
        for item in pod["status"]["initContainerStatuses"]:
            if item["name"] == name:
                item |= {"ready": False, **now}

    return changed(change)


def around(**given: Any) -> Facts:
    return patients.facts(around=patients.around(**given))


def configured(change: Callable[[Any], Any]) -> Facts:
    found = patients.configuration()
    change(found["webhooks"][0])
    return around(configurations=(found,))


NO_POD = {"matchLabels": {"no": "pod"}}


def of_labelled_namespaces() -> Any:
    found = patients.configuration()
    found["webhooks"][0]["namespaceSelector"] = {"matchLabels": {"a": "b"}}
    return found


def event(message: str, reason: str = "FailedCreate") -> Facts:
    return patients.facts(events=({"reason": reason, "message": message},))


def inside(**given: Any) -> Facts:
    return patients.facts(inside=patients.inside(**given))


def claims(**given: Any) -> Facts:
    token = copy.deepcopy(patients.inside()["token"])
    token["claims"] |= given
    return inside(token=token)


def credential(**given: Any) -> Facts:
    return patients.facts(credentials=(patients.credential(**given),))


TARGET = Target(kind=Kind.IDENTITY, id="/", name="app", client_id="c1")


def entra(*credentials: Credential, target: Any = TARGET, log: str = "") -> Facts:
    asked = Asked(client_id="c1", found=target, credentials=credentials, tenant_id="t")
    return patients.facts(credentials=None, entra=(asked,), log=log)


def entra_credential(subject: str = patients.SUBJECT) -> Credential:
    audience = contract.TOKEN_EXCHANGE_AUDIENCE
    return Credential(name="shop-app", issuer=patients.ISSUER, subject=subject, audience=audience)


def app(pod: Any) -> Any:
    return pod["spec"]["containers"][0]


def init(pod: Any) -> list[Any]:
    found: list[Any] = pod["spec"]["initContainers"]
    return found


def volume(pod: Any) -> Any:
    return pod["spec"]["volumes"][0]


def no_audience() -> Facts:
    pod = patients.pod()
    volume(pod)["projected"]["sources"][0]["serviceAccountToken"].pop("audience")
    return patients.facts(pod=pod, credentials=None)


LOG = '{"msg": "token exchange", "client": "c1", "scope": "s", "reason": "%s", "told": "no."}\n'
FAULTS: dict[str, tuple[Callable[[], Facts], str, Status]] = {
    # --- opting in
    "no label": (lambda: label({}), "label", FAIL),
    "label is True": (lambda: label({contract.USE_LABEL: "True"}), "label", FAIL),
    "label is misspelled": (lambda: label({"azure.workload.identity/used": "true"}), "label", FAIL),
    "label is an annotation": (an_annotation, "label", FAIL),
    "label is on the workload alone": (owner_alone, "label", FAIL),
    # --- the service account
    "no service account": (lambda: patients.facts(account=None), "service-account", FAIL),
    "account cannot be read": (
        lambda: patients.facts(account=Unread("no.")),
        "service-account",
        WARN,
    ),
    "no client id": (
        lambda: patients.facts(account=patients.account(client_id="")),
        "client-id",
        FAIL,
    ),
    "client id is a name": (
        lambda: patients.facts(account=patients.account(client_id="my-app")),
        "client-id",
        FAIL,
    ),
    "tenant id is nonsense": (
        lambda: patients.facts(account=patients.account(tenant_id="?")),
        "tenant-id",
        FAIL,
    ),
    "client id was changed later": (
        lambda: patients.facts(
            account=patients.account(client_id="0" * 8 + "-1111-4111-8111-" + "0" * 12)
        ),
        "client-id-in-pod",
        WARN,
    ),
    # --- what the webhook gave
    "webhook was not there": (lambda: patients.facts(pod=patients.raw_pod()), "injected", FAIL),
    "a container lacks the variables": (
        lambda: changed(lambda pod: pod["spec"]["containers"].append({"name": "late"})),
        "variables",
        FAIL,
    ),
    "the volume is gone": (
        lambda: changed(lambda pod: pod["spec"].pop("volumes")),
        "token-volume",
        FAIL,
    ),
    "the volume is another": (
        lambda: changed(lambda pod: volume(pod).update(projected={"sources": []})),
        "token-volume",
        FAIL,
    ),
    "the audience is the API server's": (
        no_audience,
        "token-audience",
        WARN,
    ),
    "the mount is gone": (
        lambda: changed(lambda pod: app(pod).pop("volumeMounts")),
        "token-mount",
        FAIL,
    ),
    "the login host is plain http": (
        lambda: changed(lambda pod: app(pod)["env"][3].update(value="http://login.example/")),
        "authority-host",
        FAIL,
    ),
    "no init container": (lambda: changed(lambda pod: init(pod).pop(0)), "sidecar", FAIL),
    "the proxy is gone": (lambda: changed(lambda pod: init(pod).pop(1)), "sidecar", FAIL),
    "another init container is first": (
        lambda: changed(
            lambda pod: init(pod).insert(
                0,
                {"name": "mesh", "env": app(pod)["env"], "volumeMounts": app(pod)["volumeMounts"]},
            )
        ),
        "order",
        WARN,
    ),
    "the Go reference's proxy": (
        lambda: changed(
            lambda pod: init(pod)[1].update(
                image="mcr.microsoft.com/oss/azure/workload-identity/proxy:v1.6.0"
            )
        ),
        "two-webhooks",
        WARN,
    ),
    # --- what the webhook would say
    "a port that an app has": (
        lambda: changed(lambda pod: app(pod).update(ports=[{"containerPort": 8000}])),
        "webhook-refuses",
        FAIL,
    ),
    "an app that is the proxy's user": (
        lambda: changed(lambda pod: app(pod).update(securityContext={"runAsUser": 1501})),
        "webhook-refuses",
        FAIL,
    ),
    "an annotation that means nothing": (
        lambda: changed(
            lambda pod: pod["metadata"]["annotations"].update({contract.PREFIX + "proxy-prot": "1"})
        ),
        "webhook-warns",
        WARN,
    ),
    "an annotation that is no text": (
        lambda: changed(
            lambda pod: pod["metadata"]["annotations"].update(
                {contract.PROXY_ONLY_ANNOTATION: True}
            )
        ),
        "webhook-refuses",
        FAIL,
    ),
    # --- what runs
    "the image cannot be pulled": (
        lambda: status("azwi-proxy", state={"waiting": {"reason": "ImagePullBackOff"}}),
        "image",
        FAIL,
    ),
    "the redirect failed": (
        lambda: status("azwi-proxy-init", state={"terminated": {"exitCode": 1, "message": "no"}}),
        "redirect",
        FAIL,
    ),
    "the proxy was killed": (
        lambda: status("azwi-proxy", lastState={"terminated": {"reason": "OOMKilled"}}),
        "memory",
        FAIL,
    ),
    "the proxy ends at its start": (
        lambda: status(
            "azwi-proxy",
            state={"waiting": {"reason": "CrashLoopBackOff"}},
            lastState={"terminated": {"exitCode": 2}},
        ),
        "proxy-running",
        FAIL,
    ),
    "the proxy cannot be created": (
        lambda: status("azwi-proxy", state={"waiting": {"reason": "CreateContainerConfigError"}}),
        "proxy-running",
        FAIL,
    ),
    "the proxy starts": (lambda: status("azwi-proxy"), "sidecar-running", WARN),
    "the proxy restarts": (
        lambda: status("azwi-proxy", ready=True, restartCount=7),
        "proxy-restarts",
        WARN,
    ),
    "the webhook denied the pod": (
        lambda: event('admission webhook "pod.azwi-sidecar.webhook" denied the request: Set it.'),
        "denied",
        FAIL,
    ),
    "the webhook is away": (
        lambda: event('failed calling webhook "pod.azwi-sidecar.webhook": connection refused'),
        "webhook-call",
        FAIL,
    ),
    "the webhook's certificate": (
        lambda: event('failed calling webhook "pod.azwi-sidecar.webhook": x509: unknown authority'),
        "webhook-call",
        FAIL,
    ),
    "the token cannot be mounted": (
        lambda: event('MountVolume.SetUp failed for volume "azure-identity-token"', "FailedMount"),
        "token-mounted",
        FAIL,
    ),
    "a quota": (lambda: event("pods is forbidden: exceeded quota: q"), "quota", FAIL),
    # --- the webhook
    "no webhook": (lambda: around(configurations=()), "webhook", FAIL),
    "webhooks cannot be listed": (lambda: around(configurations=Unread("no.")), "webhook", WARN),
    "two webhooks": (
        lambda: around(configurations=(patients.configuration(), patients.gos_configuration())),
        "two-webhooks",
        WARN,
    ),
    "the webhook's Deployment may not be read": (
        lambda: around(deployments={patients.SERVICE: Unread("no right.")}),
        "webhook-ready",
        WARN,
    ),
    "the namespace may not be read": (
        lambda: around(
            unread="no right.",
            configurations=(of_labelled_namespaces(),),
        ),
        "namespace",
        WARN,
    ),
    "one entry sees the namespace, another one the pod": (
        lambda: around(
            configurations=(
                {
                    "webhooks": [
                        of_labelled_namespaces()["webhooks"][0],
                        {**patients.configuration()["webhooks"][0], "objectSelector": NO_POD},
                    ]
                },
            )
        ),
        "object-selector",
        FAIL,
    ),
    "failures are ignored": (
        lambda: configured(lambda entry: entry.update(failurePolicy="Ignore")),
        "failure-policy",
        WARN,
    ),
    "no caBundle": (
        lambda: configured(lambda entry: entry["clientConfig"].pop("caBundle")),
        "ca-bundle",
        FAIL,
    ),
    "caBundle is nonsense": (
        lambda: configured(lambda entry: entry["clientConfig"].update(caBundle="eA==")),
        "ca-bundle",
        FAIL,
    ),
    "the CA has expired": (
        lambda: configured(
            lambda entry: entry["clientConfig"].update(caBundle=patients.bundle(-1))
        ),
        "ca-bundle",
        FAIL,
    ),
    "no replica is ready": (
        lambda: around(deployments={patients.SERVICE: patients.deployment(0)}),
        "webhook-ready",
        FAIL,
    ),
    "the webhook's deployment is gone": (
        lambda: around(deployments={patients.SERVICE: None}),
        "webhook-ready",
        FAIL,
    ),
    "one replica is not ready": (
        lambda: around(deployments={patients.SERVICE: patients.deployment(1)}),
        "webhook-ready",
        WARN,
    ),
    "the namespace is left out": (
        lambda: configured(
            lambda entry: entry.update(namespaceSelector={"matchLabels": {"a": "b"}})
        ),
        "namespace-selector",
        FAIL,
    ),
    "the pod is left out": (
        lambda: configured(lambda entry: entry.update(objectSelector={"matchLabels": {"a": "b"}})),
        "object-selector",
        FAIL,
    ),
    # --- Entra ID
    "the issuer is within the cluster": (
        lambda: patients.facts(
            around=patients.around(issuer="https://kubernetes.default.svc"),
            credentials=None,
            inside=None,
        ),
        "issuer",
        FAIL,
    ),
    "the issuer is not known": (lambda: around(issuer=Unread("no.")), "issuer", WARN),
    "no credential": (lambda: patients.facts(credentials=()), "credential", FAIL),
    "the subject is another": (
        lambda: credential(subject="system:serviceaccount:other:app"),
        "credential",
        FAIL,
    ),
    "the subject's case": (
        lambda: credential(subject="system:serviceaccount:Shop:app"),
        "credential",
        FAIL,
    ),
    "the issuer's slash": (lambda: credential(issuer=patients.ISSUER[:-1]), "credential", FAIL),
    "the credential's audience": (lambda: credential(audiences=["x"]), "credential", FAIL),
    "nearly too many credentials": (
        lambda: patients.facts(credentials=[patients.credential()] * 19),
        "credentials-count",
        WARN,
    ),
    "Entra ID's side has another subject": (
        lambda: entra(entra_credential(subject="system:serviceaccount:other:app")),
        "credential",
        FAIL,
    ),
    "Entra ID's side has none, and the log says it too": (
        lambda: entra(log=LOG % "AADSTS70025"),
        "credential",
        FAIL,
    ),
    "the identity was deleted": (
        lambda: entra(target=None, log=LOG % "AADSTS700016"),
        "identity",
        FAIL,
    ),
    "Entra ID may not be asked": (lambda: entra(target=Unread("no.")), "credential", WARN),
    "the identity is nearly full": (
        lambda: entra(entra_credential(), *(entra_credential(subject=f"s{n}") for n in range(18))),
        "credentials-count",
        WARN,
    ),
    "Entra ID refuses": (lambda: patients.facts(log=LOG % "AADSTS700016"), "entra-says", FAIL),
    "Entra ID cannot be reached": (
        lambda: patients.facts(log=LOG % "timeout"),
        "entra-says",
        FAIL,
    ),
    # --- from inside
    "the pod cannot be asked": (lambda: patients.facts(inside=Unread("no.")), "in-pod", WARN),
    "settings are wrong": (lambda: inside(settings={"problems": ["X."]}), "settings", FAIL),
    "no token file": (
        lambda: inside(token={"file": "/x", "problem": "cannot be read (permission denied)"}),
        "token-file",
        FAIL,
    ),
    "the token has expired": (lambda: claims(exp=time.time() - 60), "token-expiry", FAIL),
    "the token is not renewed": (lambda: claims(exp=time.time() + 60), "token-expiry", WARN),
    "the token's issuer": (lambda: claims(iss="https://old.example"), "token-issuer", FAIL),
    "the token's subject": (lambda: claims(sub="system:serviceaccount:a:b"), "token-subject", FAIL),
    "the clock is a little wrong": (
        lambda: inside(login={"host": "l", "skew": 200}),
        "clock",
        WARN,
    ),
    "the clock is wrong": (lambda: inside(login={"host": "l", "skew": -4000}), "clock", FAIL),
    "the redirect is not in place": (
        lambda: inside(redirect={"exempt": False, "reaches": "somebody else"}),
        "redirect",
        FAIL,
    ),
    "the login host does not resolve": (
        lambda: inside(login={"host": "l", "stage": "resolve", "problem": "x"}),
        "egress",
        FAIL,
    ),
    "egress is closed": (
        lambda: inside(login={"host": "l", "stage": "connect", "problem": "x"}),
        "egress",
        FAIL,
    ),
    "TLS is opened on the way": (
        lambda: inside(login={"host": "l", "stage": "tls", "problem": "x"}),
        "egress",
        FAIL,
    ),
    "no exchange succeeds": (lambda: inside(exchanges={"AADSTS70021": 3}), "exchanges", FAIL),
    "the proxy is not ready": (lambda: inside(ready={"port": 1, "problem": "x"}), "ready", FAIL),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_found_and_nothing_beside_it(name: str) -> None:
    seed, check, expected = FAULTS[name]
    assert set(bad(seed())) == {(check, expected)}


def test_there_are_many_faults() -> None:
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_found_says_why_it_matters_and_what_to_do(name: str) -> None:
    for found in every(FAULTS[name][0]()):
        assert found.says[0].isupper() or found.says.startswith(("azwi", contract.PREFIX))
        assert found.says.endswith(".")
        if found.status is not Status.PASS:
            assert found.why
            assert found.remedy or found.name.startswith("webhook-")


def admitted(pod: Any, **settings: str) -> Any:
    found = copy.deepcopy(admission.admitted(pod, **settings))
    found["status"] = {
        "containerStatuses": [{"name": "azwi-proxy", "ready": True, "state": {"running": {}}}],
        "initContainerStatuses": [
            {"name": "azwi-proxy-init", "state": {"terminated": {"exitCode": 0}}}
        ],
    }
    return found


HEALTHY = {
    "with the sidecar": patients.facts(),
    "before anybody asked inside": patients.facts(inside=None, credentials=None),
    "after Entra ID was asked": entra(entra_credential()),
    "with proxy-only": patients.facts(pod=patients.pod({"proxy-only": "true"})),
    "with a container that is skipped": changed(
        lambda pod: (
            pod["metadata"]["annotations"].update({contract.SKIP_CONTAINERS_ANNOTATION: "b"}),
            pod["spec"]["containers"].append({"name": "b"}),
        )
    ),
    "after Entra ID refused and then did not": patients.facts(
        log=LOG % "AADSTS700016" + LOG % "ok"
    ),
    "with the Go reference's webhook alone": around(
        configurations=(patients.gos_configuration(),),
        deployments={patients.GO_SERVICE: patients.deployment()},
    ),
    "without the sidecar": patients.facts(pod=admitted(admission.pod()), inside=None),
    "with an ordinary sidecar": patients.facts(
        pod=admitted(patients.raw_pod(), AZWI_NATIVE_SIDECAR="false"), inside=None
    ),
    "that has ended": changed(
        lambda pod: (
            pod["status"].update(phase="Succeeded"),
            pod["status"]["initContainerStatuses"][1].update(
                ready=False, state={"terminated": {"exitCode": 0}}
            ),
        )
    ),
    "with an AKS identity binding": patients.facts(
        pod=changed(
            lambda pod: pod["metadata"]["annotations"].update(
                {contract.CUSTOM_ENDPOINT_ANNOTATION + "identity-binding": "true"}
            )
        ).pod
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_a_healthy_pod(name: str) -> None:
    assert bad(HEALTHY[name]) == []


def test_a_pod_that_does_not_opt_in_is_told_that_alone() -> None:
    assert len(examine.pod(label({})).checks) == 1


def test_people_read_what_is_wrong_with_reason_and_remedy() -> None:
    facts = patients.facts(account=None)
    text = examine.as_text([examine.pod(facts)], whole=True)
    assert text.startswith("pod shop/app-1\npass  The pod has the label")
    assert (
        "fail  There is no service account shop/app.\n"
        "      It says which identity the pod has.\n"
        "      Create it with the annotation azure.workload.identity/client-id.\n"
    ) in text


def test_of_many_pods_only_what_is_wrong_is_shown() -> None:
    good, ill = patients.facts(), patients.facts(account=None)
    text = examine.as_text([examine.pod(good), examine.pod(ill)], whole=False)
    lines = text.splitlines()
    assert lines[0] == f"pod shop/app-1: {len(examine.pod(good).checks)} checks pass"
    assert "pass  " not in text
    assert "fail  There is no service account shop/app." in lines


def test_programs_read_status_and_checks_of_each() -> None:
    data = examine.as_data(
        [examine.pod(patients.facts()), examine.pod(patients.facts(account=None))]
    )
    assert data["status"] == "fail"
    assert [item["status"] for item in data["objects"]] == ["pass", "fail"]
    assert data["objects"][1]["checks"][1]["name"] == "service-account"


def test_the_page_on_the_doctor_shows_what_is_printed() -> None:
    page = (Path(__file__).parents[3] / "docs/doctor.md").read_text()
    place = "/subscriptions/SUBSCRIPTION/resourcegroups/shop/providers/Microsoft.ManagedIdentity"
    app = dataclasses.replace(TARGET, id=f"{place}/userAssignedIdentities/app")
    slip = dataclasses.replace(entra_credential(), issuer=patients.ISSUER[:-1])
    ill = dataclasses.replace(entra(slip, target=app), inside=None)
    assert f"```\n{examine.as_text([examine.pod(ill)], whole=True)}\n```\n" in page
