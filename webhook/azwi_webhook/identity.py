"""What a container needs to get tokens: variables, the token's folder, and the volume behind it.

Pure. A container is completed, never overruled: what it sets itself stays.
"""

from collections.abc import Iterator, Sequence

from azwi_common import contract, sidecar
from azwi_webhook import patch, pods
from azwi_webhook.annotations import Wishes, remembered
from azwi_webhook.patch import Operation
from azwi_webhook.settings import Settings


@remembered
def environment(wishes: Wishes, settings: Settings) -> Sequence[sidecar.Object]:
    """The variables of a container that uses workload identity."""
    env = sidecar.identity_env(
        client_id=wishes.client_id,
        tenant_id=wishes.tenant_id or settings.tenant_id,
        authority_host=settings.login_host,
    )
    return (*env, *(_binding(settings) if wishes.binding else ()))


def _binding(settings: Settings) -> list[sidecar.Object]:
    """The variables of AKS's token proxy; its CA as text, or as a file beside the token."""
    file = f"{contract.TOKEN_MOUNT}/{contract.KUBERNETES_CA_KEY}" if _ca_sources(settings) else ""
    return sidecar.variables(
        {
            contract.KUBERNETES_TOKEN_PROXY: settings.token_proxy,
            contract.KUBERNETES_SNI_NAME: settings.token_proxy_sni,
            contract.KUBERNETES_CA_FILE: file,
            contract.KUBERNETES_CA_DATA: settings.token_proxy_ca_data,
        }
    )


def _ca_sources(settings: Settings) -> list[sidecar.Object]:
    key = contract.KUBERNETES_CA_KEY
    if settings.token_proxy_ca_configmap:
        items = [{"key": key, "path": key}]
        return [{"configMap": {"name": settings.token_proxy_ca_configmap, "items": items}}]
    if settings.token_proxy_ca_signer:
        bundle = {
            "signerName": settings.token_proxy_ca_signer,
            "labelSelector": settings.token_proxy_ca_selector.value,
            "path": key,
        }
        return [{"clusterTrustBundle": bundle}]
    return []


def volume(wishes: Wishes, settings: Settings) -> sidecar.Object:
    """The projected token, for the audience of whoever exchanges it."""
    return sidecar.token_volume(
        audience=settings.custom_audience if wishes.binding else settings.token_audience,
        expiration=wishes.expiration,
        beside=_ca_sources(settings) if wishes.binding else (),
    )


def gets_identity(container: pods.Object, wishes: Wishes, proxy_only: bool) -> bool:
    """Whether this container is one of those that get variables and the token."""
    name = pods.text(container, "name")
    if name == contract.INIT_CONTAINER or name in wishes.skip:
        return False
    return name == contract.PROXY_CONTAINER or not proxy_only


def complete(
    path: str, container: pods.Object, env: Sequence[sidecar.Object], *, token: bool = True
) -> Iterator[Operation]:
    """The operations that give the container at ``path`` what it lacks of ``env`` and the token."""
    if env:
        present = pods.items(container, "env")
        given = [entry.get("name") for entry in present]
        lacking = [entry for entry in env if entry["name"] not in given]
        yield from patch.append(path + "/env", present, lacking)
    if token:
        mounts = pods.items(container, "volumeMounts")
        if not _reach_the_token(mounts):
            yield from patch.append(path + "/volumeMounts", mounts, [sidecar.token_mount()])


def _reach_the_token(mounts: Sequence[pods.Object]) -> bool:
    for mount in mounts:
        path = mount.get("mountPath")
        if isinstance(path, str) and path.rstrip("/") == contract.TOKEN_MOUNT:
            return True
    return False


def mounts_the_token(container: pods.Object) -> bool:
    """Whether the container already names our volume, wherever it wants it."""
    mounts = pods.items(container, "volumeMounts")
    return any(mount.get("name") == contract.TOKEN_VOLUME for mount in mounts)
