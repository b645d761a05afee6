"""The programs and schemas that judge manifests and workflows."""

import os
from functools import cache
from pathlib import Path

import kubernetes_validate

from azwi_testing.cluster import Object, do_without, run

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "tests/manifests/tools.sh"
OLDEST = "1.26"
CUSTOM = ("cert-manager.io", "monitoring.coreos.com")
"""Groups of other operators' objects, whose schemas are not Kubernetes'."""


@cache
def tool(name: str) -> Path:
    """Where a program is, built where it is missing; a skip with a reason where that cannot be."""
    if why := run(TOOLS, "missing", name).strip():
        do_without(why, os.environ)
    return Path(run(TOOLS, name, timeout=25 * 60).strip())


def newest() -> str:
    """The newest Kubernetes whose schemas the package has."""
    return str(kubernetes_validate.latest_version())


def problems(objects: list[Object], version: str) -> list[str]:
    """What Kubernetes' schemas of a version have against these objects, unknown fields among it."""
    found = []
    for item in objects:
        if item["apiVersion"].split("/")[0] in CUSTOM:
            continue
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(map(str, error.path))
            found.append(f"{item['kind']} {item['metadata']['name']}: {where}: {error.message}")
    return found
