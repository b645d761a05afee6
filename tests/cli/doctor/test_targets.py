"""What is asked about, as kubectl names it."""

import pytest

from azwi_cli import errors
from azwi_cli.doctor import targets


@pytest.mark.parametrize(
    ("text", "path", "namespace"),
    [
        ("app-1", "/api/v1/namespaces/shop/pods/app-1", "shop"),
        ("pod/app-1", "/api/v1/namespaces/shop/pods/app-1", "shop"),
        ("po/app-1", "/api/v1/namespaces/shop/pods/app-1", "shop"),
        ("deploy/x", "/apis/apps/v1/namespaces/shop/deployments/x", "shop"),
        ("deployments/x", "/apis/apps/v1/namespaces/shop/deployments/x", "shop"),
        ("Deployment.apps/x", "/apis/apps/v1/namespaces/shop/deployments/x", "shop"),
        ("cj/x", "/apis/batch/v1/namespaces/shop/cronjobs/x", "shop"),
    ],
)
def test_a_target_is_read(text: str, path: str, namespace: str) -> None:
    target, where = targets.read(text, "shop")
    assert (target.path(where), where) == (path, namespace)


def test_nothing_is_the_whole_namespace_and_a_namespace_names_itself() -> None:
    assert targets.read(None, "shop") == (targets.Target("namespace", "shop"), "shop")
    assert targets.read("ns/other", "shop") == (targets.Target("namespace", "other"), "other")


@pytest.mark.parametrize("text", ["service/x", "pod/", "/x"])
def test_what_has_no_pods_is_refused(text: str) -> None:
    with pytest.raises(errors.BadInput, match="azwi knows no"):
        targets.read(text, "shop")
