"""What the webhook's benchmark sends and fills a cluster with: as real ones look, made by hand."""

from typing import Any

PREFIX = "azure.workload.identity/"
PER_NAMESPACE = 10
_FIELDS: dict[str, Any] = {
    "f:metadata": {
        "f:annotations": {
            ".": {},
            "f:meta.helm.sh/release-name": {},
            "f:meta.helm.sh/release-namespace": {},
        },
        "f:labels": {
            ".": {},
            "f:app.kubernetes.io/instance": {},
            "f:app.kubernetes.io/managed-by": {},
            "f:app.kubernetes.io/name": {},
            "f:app.kubernetes.io/version": {},
            "f:helm.sh/chart": {},
        },
    }
}
_MANAGED = [
    {
        "manager": "helm",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": _FIELDS,
    }
]


def account(number: int) -> dict[str, Any]:
    """One of many service accounts, as Helm leaves them; every tenth has a client id."""
    namespace, place = f"team-{number // PER_NAMESPACE:05d}", number % PER_NAMESPACE
    name = f"service-{number:05d}-app" if place else "default"
    annotations = {
        "meta.helm.sh/release-name": name,
        "meta.helm.sh/release-namespace": namespace,
    }
    if place == 1:
        annotations[PREFIX + "client-id"] = f"00000000-0000-4000-8000-{number:012d}"
    labels = {
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/version": "1.2.3",
        "helm.sh/chart": f"{name}-1.2.3",
    }
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"00000000-0000-4000-9000-{number:012d}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": labels,
            "annotations": annotations,
            "managedFields": _MANAGED,
        }
    }


def namespace(number: int) -> dict[str, Any]:
    """The namespace of ten service accounts."""
    name = f"team-{number:05d}"
    labels = {"kubernetes.io/metadata.name": name, "team": name}
    return {"metadata": {"name": name, "labels": labels, "managedFields": _MANAGED}}


def pod() -> dict[str, Any]:
    """A Deployment's pod of two containers that wants the sidecar."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "orders-7d9c6b8f54",
        "uid": "00000000-0000-4000-a000-000000000001",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    fields: dict[str, Any] = {f"f:field-{number}": {".": {}, "f:value": {}} for number in range(40)}
    managed = {**_MANAGED[0], "manager": "kube-controller-manager", "fieldsV1": {"f:spec": fields}}
    metadata = {
        "generateName": "orders-7d9c6b8f54-",
        "namespace": "team-00000",
        "creationTimestamp": None,
        "labels": {"app": "orders", "pod-template-hash": "7d9c6b8f54", PREFIX + "use": "true"},
        "annotations": {PREFIX + "inject-proxy-sidecar": "true", "prometheus.io/scrape": "true"},
        "ownerReferences": [owner],
        "managedFields": [managed],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec()}


def _spec() -> dict[str, Any]:
    token = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    config = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca"}]}}
    return {
        "serviceAccountName": "service-00001-app",
        "serviceAccount": "service-00001-app",
        "containers": [_container("orders"), _container("exporter")],
        "initContainers": [_container("migrate")],
        "volumes": [
            {"name": "config", "configMap": {"name": "orders", "defaultMode": 420}},
            {
                "name": "kube-api-access-x7k2p",
                "projected": {"sources": [token, config], "defaultMode": 420},
            },
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "schedulerName": "default-scheduler",
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{reason}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for reason in ("not-ready", "unreachable")
        ],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _container(name: str) -> dict[str, Any]:
    probe = {
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    variables = [{"name": f"SETTING_{number}", "value": "x" * 12} for number in range(12)]
    mounts = [
        {"name": "config", "mountPath": "/etc/orders"},
        {
            "name": "kube-api-access-x7k2p",
            "readOnly": True,
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        },
    ]
    return {
        "name": name,
        "image": f"registry.example/{name}:1.2.3",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": variables,
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m"}},
        "volumeMounts": mounts,
        "livenessProbe": probe,
        "readinessProbe": probe,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def review() -> dict[str, Any]:
    """What the API server sends for `pod`."""
    user = {"username": "system:serviceaccount:kube-system:replicaset-controller", "uid": "1"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "namespace": "team-00000",
        "operation": "CREATE",
        "userInfo": {**user, "groups": ["system:serviceaccounts", "system:authenticated"]},
        "object": pod(),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
