"""The images hold what their programs need and no more, and the limits of by-hand.yaml fit them."""

import json
from pathlib import Path

import pytest

from azwi_testing import cluster
from azwi_testing.cluster import EntraId, Example, Namespace, Object, eventually

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

URL = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
REQUESTS = (Path(__file__).parent / "thousand.py").read_text()
# Whatever version of cgroups the node has; the kernel's own high-water mark, page cache included.
PEAK = "cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null"
UNUSED = """
import importlib, json, os, sys
from azwi_proxy import lean
lean.import_libraries()
for name in sys.argv[1:]:
    importlib.import_module(name)
used = {name.split(".")[0] for name in sys.modules}
found = {name.split(".")[0] for name in os.listdir("/app") if not name.endswith(".dist-info")}
# attrs: another name of attr; certifi: for a base image without certificate authorities (trust.py)
print(json.dumps(sorted(found - used - {"__pycache__", "attrs", "certifi"})))
"""
MEBI = 1 << 20


def limit(objects: list[Object], container: int) -> int:
    """A memory limit of the example, in bytes."""
    text: str = objects[1]["spec"]["initContainers"][container]["resources"]["limits"]["memory"]
    return int(text.removesuffix("Mi")) * MEBI


@pytest.mark.parametrize(
    ("image", "most"), [("azwi-proxy", 15), ("azwi-proxy-init", 5), ("azwi-webhook", 35)]
)
def test_an_image_adds_little_to_its_base(
    kubernetes: dict[str, Path], image: str, most: int
) -> None:
    archives = {**kubernetes, **cluster.build_images(image)}
    base, whole = (archives[name].stat().st_size / 1e6 for name in ("base", image))
    print(f"{image}: {whole:.1f} MB, of which the base image has {base:.1f}")
    assert 0 < whole - base < most


def test_nothing_lies_in_the_proxys_image_that_it_does_not_import(app: Namespace) -> None:
    modules = ("azwi_proxy.serve", "azwi_proxy.probe", "azwi_proxy.__main__")
    unused = app.execute("app", "azwi-proxy", "python3", "-P", "-c", UNUSED, *modules)
    assert json.loads(unused) == []
    sources = app.execute("app", "azwi-proxy", "find", "/app", "-name", "*.pyx")
    assert sources == ""


def test_a_thousand_requests_take_less_than_two_thirds_of_the_proxys_limit(
    namespace: Namespace, example: Example
) -> None:
    objects = example(namespace)
    namespace.apply(*objects)
    namespace.wait("pod/app", "condition=Ready")
    answers = namespace.execute("app", "app", "python3", "-c", REQUESTS, URL)
    assert json.loads(answers) == {"200": 1000}
    peak = int(namespace.execute("app", "azwi-proxy", "sh", "-c", f"{PEAK}; true").split()[0])
    print(f"azwi-proxy: {peak / MEBI:.1f} MiB at most, of {limit(objects, 1) / MEBI:.0f}")
    assert peak < limit(objects, 1) * 2 / 3


def test_the_init_container_takes_less_than_half_of_its_limit(
    namespace: Namespace, example: Example
) -> None:
    objects = example(namespace)
    # The same program under the same limit, and what the kernel says of it.
    wrapped = ["sh", "-c", f"python3 -P -m azwi_init && {{ {PEAK}; true; }}"]
    objects[1]["spec"]["initContainers"][0]["command"] = wrapped
    namespace.apply(*objects)
    namespace.wait("pod/app", "condition=Ready")
    peak = int(namespace.logs("app", "azwi-proxy-init").split()[-1])
    print(f"azwi-proxy-init: {peak / MEBI:.1f} MiB at most, of {limit(objects, 0) / MEBI:.0f}")
    assert peak < limit(objects, 0) / 2


def test_a_proxy_at_its_memory_limit_is_killed_and_restarted_and_the_app_waits(
    namespace: Namespace, example: Example
) -> None:
    account, pod = example(namespace)
    proxy = pod["spec"]["initContainers"][1]
    proxy["resources"] = {"requests": {"memory": "24Mi"}, "limits": {"memory": "24Mi"}}
    namespace.apply(account, pod)

    def ended_again() -> Object | None:
        # The kubelet removes old containers: at times only one of the two has an end to tell.
        status = namespace.container("app", "azwi-proxy")
        ends = [
            status[when]["terminated"]
            for when in ("state", "lastState")
            if status[when].get("terminated")
        ]
        return {**status, "end": ends[0]} if status["restartCount"] > 1 and ends else None

    status = eventually("a second restart", ended_again)
    assert status["end"]["reason"] == "OOMKilled"
    assert not status["started"]
    assert "waiting" in namespace.container("app", "app")["state"]


def test_the_emulators_image_serves_as_an_ordinary_user_with_a_read_only_root(
    entra: EntraId, namespace: Namespace
) -> None:
    cluster.import_images("azwi-emulator")
    container = {
        "name": "emulator",
        "image": "localhost/azwi-emulator:latest",
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    spec = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "emulator"}, "spec": spec}
    namespace.apply(pod)
    namespace.wait("pod/emulator", "condition=Ready")
