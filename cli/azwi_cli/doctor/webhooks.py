"""Whether a webhook is there that sees the pod, can be called, and is the only one. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import GO_WEBHOOK, Facts, Object, Surroundings, Unread, part
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_OF_EVERY_POD: Final = "serviceaccount.azwi-sidecar.webhook"
"""Sees pods that may not concern us at all, so the chart never lets it block one."""
_INSTALL: Final = "Install it: docs/install.md."


def is_ours(configuration: Object) -> bool:
    """Whether a MutatingWebhookConfiguration is this project's."""
    return any(
        part(entry, "clientConfig", "service").get("path") == contract.MUTATE_PATH
        and entry.get("name") != GO_WEBHOOK
        and str(entry.get("name")).endswith("azwi-sidecar.webhook")
        for entry in configuration.get("webhooks") or ()
    )


def is_gos(configuration: Object) -> bool:
    """Whether it is the Go reference's, or AKS's add-on."""
    return any(entry.get("name") == GO_WEBHOOK for entry in configuration.get("webhooks") or ())


def checks(around: Surroundings) -> Iterator[Check]:
    """What does not depend on the pod."""
    found = around.configurations
    if isinstance(found, Unread):
        yield Check(
            "webhook",
            _WARN,
            f"The webhook's configuration could not be read: {found.says}",
            "Without a webhook no pod is changed.",
            "Run azwi with a user that may list mutatingwebhookconfigurations.",
        )
        return
    if not found:
        yield Check(
            "webhook", _FAIL, "No workload identity webhook is installed.",
            "Nobody gives pods their variables, token and sidecar.", _INSTALL,
        )  # fmt: skip
        return
    names = ", ".join(str(part(item, "metadata").get("name")) for item in found)
    yield Check("webhook", _PASS, f"A webhook is installed ({names}).")
    if any(map(is_ours, found)) and any(map(is_gos, found)):
        yield Check(
            "two-webhooks", _WARN, f"Two workload identity webhooks are installed ({names}).",
            "Both change each pod that opts in; of what both would add, the first one's stays.",
            "Remove one of them when the migration is done.",
        )  # fmt: skip
    for configuration in found:
        for entry in configuration.get("webhooks") or ():
            yield from _policy(entry)
            yield from _bundle(entry, around)
    for key, deployment in around.deployments.items():
        yield from _deployment(key, deployment)


def _policy(entry: Object) -> Iterator[Check]:
    if entry.get("failurePolicy") == "Ignore" and entry.get("name") != _OF_EVERY_POD:
        yield Check(
            "failure-policy", _WARN, f"The webhook {entry.get('name')} has failurePolicy Ignore.",
            "A pod that is created while the webhook is away gets nothing, without a word.",
            "Set it to Fail (failurePolicy of the chart).",
        )  # fmt: skip


def _bundle(entry: Object, around: Surroundings) -> Iterator[Check]:
    bundle = part(entry, "clientConfig").get("caBundle")
    if not part(entry, "clientConfig", "service"):
        return
    if not bundle:
        yield Check(
            "ca-bundle", _FAIL, f"The webhook {entry.get('name')} has no caBundle.",
            "The API server cannot verify it, and refuses every pod that opted in.",
            "The webhook writes it itself when it is ready: look at its log and its rights.",
        )  # fmt: skip
        return
    ends = certificates_end(str(bundle))
    if ends is None:
        yield Check(
            "ca-bundle", _FAIL, f"The caBundle of {entry.get('name')} holds no certificate.",
            "The API server cannot verify the webhook.",
            "Empty it: the webhook, or cert-manager, writes it anew.",
        )  # fmt: skip
    elif ends < around.now:
        yield Check(
            "ca-bundle", _FAIL, f"The CA of {entry.get('name')} has expired.",
            "The API server cannot verify the webhook, and refuses every pod that opted in.",
            "The webhook renews it itself: look at its log; or renew it where you made it.",
        )  # fmt: skip


def certificates_end(bundle: str) -> float | None:
    """When the last certificate of a caBundle ends, in Unix time; None where there is none."""
    import base64

    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(base64.b64decode(bundle))
    except ValueError:
        return None
    return max(certificate.not_valid_after_utc.timestamp() for certificate in found)


def _deployment(key: str, found: Object | Unread | None) -> Iterator[Check]:
    if isinstance(found, Unread):
        yield Check(
            "webhook-ready", _WARN, f"The webhook {key} could not be looked at: {found.says}",
            "Whether it is ready, and which mode it gives pods that say none, is not known.",
            "Run azwi with a user that may list deployments and get services there.",
        )  # fmt: skip
        return
    namespace = key.partition("/")[0]
    name = part(found, "metadata").get("name")
    log = f"kubectl logs -n {namespace} deployment/{name} says why."
    if not found:
        log = f"Is it installed? kubectl get service,deployment -n {namespace} shows what is there."
    wanted = int(part(found, "spec").get("replicas", 1)) if found else 0
    ready = int(part(found, "status").get("readyReplicas") or 0) if found else 0
    if not ready:
        yield Check(
            "webhook-ready", _FAIL, f"No replica of the webhook {key} is ready.",
            "No pod that opted in can be created.", log,
        )  # fmt: skip
    elif ready < wanted:
        yield Check(
            "webhook-ready", _WARN, f"Of the webhook {key} {ready} of {wanted} replicas are ready.",
            "One more failure, and no pod that opted in can be created.", log,
        )  # fmt: skip
    else:
        yield Check("webhook-ready", _PASS, f"The webhook {key} is ready ({ready} replicas).")


def namespace(around: Surroundings) -> Iterator[Check]:
    """Whether the namespace's labels are known, by which webhooks and pod security go."""
    if around.unread:
        yield Check(
            "namespace", _WARN,
            f"The namespace {around.namespace} could not be read: {around.unread}",
            "Its labels decide which webhooks see its pods, and which of them may be redirected.",
            "Run azwi with a user that may get the namespace.",
        )  # fmt: skip


# --- Whether it sees this pod ---------------------------------------------------------------------


def seen(facts: Facts) -> Iterator[Check]:
    """Whether some webhook's selectors match the pod and its namespace."""
    found = facts.around.configurations
    if isinstance(found, Unread) or not found:
        return
    if facts.around.unread:
        return  # nobody knows what the selectors see
    entries = [entry for item in found for entry in item.get("webhooks") or ()]
    home = {"kubernetes.io/metadata.name": facts.around.namespace, **facts.around.labels}
    entries = [item for item in entries if matches(part(item, "namespaceSelector"), home)]
    if not entries:
        yield Check(
            "namespace-selector", _FAIL,
            f"The webhook's namespaceSelector leaves the namespace {facts.around.namespace} out.",
            "It does not see the pods there.",
            "Label the namespace as the selector wants, or change the selector.",
        )  # fmt: skip
    elif not any(matches(part(entry, "objectSelector"), facts.labels) for entry in entries) and (
        facts.labels.get(contract.USE_LABEL) == "true"
    ):
        yield Check(
            "object-selector", _FAIL, "The webhook's objectSelector leaves the pod out.",
            "It does not see it.", "Change the selector in the webhook's configuration.",
        )  # fmt: skip


def matches(selector: Object, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector of Kubernetes matches; an empty one matches everything."""
    wanted = part(selector, "matchLabels")
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Object, labels: Mapping[str, Any]) -> bool:
    value = labels.get(str(expression.get("key")))
    values = expression.get("values") or ()
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(str(expression.get("operator")), True)
