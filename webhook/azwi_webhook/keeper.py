"""Keeps the webhook's own certificate: the Secret that has it, and the API server's trust in it.

Every replica runs this, and whoever comes first writes: the Secret's resourceVersion decides, and
the others read again. What is to be done follows from what is stored (``certificates.step``), so
that no replica needs to know of the others.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
import random
import time
from dataclasses import replace
from typing import Any, Final

from azwi_webhook import certificates, errors, leaves
from azwi_webhook.certificates import (
    CERTIFICATE,
    KEY,
    NEXT_CERTIFICATE,
    NEXT_KEY,
    TRUST,
    Data,
    Leaf,
    Times,
)
from azwi_webhook.follow import Follower
from azwi_webhook.kube import Event, Kube, Thing
from azwi_webhook.serving import Serving
from azwi_webhook.settings import Settings

POLL: Final = 30.0  # seconds between looks where no watch reports anything
LEAST: Final = 0.2  # seconds between looks: somebody who overwrites ours again and again
RETRY: Final = (0.5, 2.0)  # seconds after a failure
PATIENCE: Final = 10  # conflicts in a row: not another replica, but a policy that refuses (422)

_ADMISSION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

log = logging.getLogger("azwi_webhook.keeper")


class Bell:
    """A follow.Store that keeps nothing: it rings when anything changed."""

    def __init__(self, rung: asyncio.Event) -> None:
        self.healthy = False
        self._rung = rung

    def begin(self) -> None:
        """See follow.Store."""

    def add(self, thing: Thing) -> None:
        """See follow.Store."""

    def finish(self) -> None:
        """See follow.Store."""
        self._rung.set()

    def change(self, event: Event) -> None:
        """See follow.Store."""
        self._rung.set()


class Keeper:
    """One replica's share in keeping the certificate."""

    def __init__(
        self,
        kube: Kube,
        settings: Settings,
        serving: Serving,
        times: Times = Times(),  # noqa: B008  # frozen
    ) -> None:
        self._kube = kube
        self._serving = serving
        self._times = replace(times, late=random.uniform(0, 0.02))
        self._names = certificates.dns_names(settings.service, settings.namespace)
        self._secret = f"/api/v1/namespaces/{settings.namespace}/secrets", settings.secret
        self._configuration = _ADMISSION, settings.configuration
        self._namespace = "/api/v1/namespaces", settings.namespace
        self._owner_refused = False
        """Whether the cluster does not let us name an owner: that is told once."""
        self._rung = asyncio.Event()
        self._trusted = b""
        """The upcoming certificate whose CA the API server trusts."""
        self._trusted_at = 0.0
        """Since when (monotonic)."""
        self.problem = "The certificate is not made yet."
        """Why the API server cannot verify what is served; empty once it can, or never calls.

        An API server that is away later makes nobody less ready: what is served stays good.
        """

    async def run(self) -> None:
        """Keep it until cancelled."""
        async with asyncio.TaskGroup() as group:
            for collection, name in (self._secret, self._configuration):
                only = {"fieldSelector": f"metadata.name={name}"}
                bell = Bell(self._rung)
                group.create_task(Follower(self._kube, collection, bell, **only).run())
            group.create_task(self._keep())

    async def _keep(self) -> None:
        told, overtaken = "", 0
        while True:
            self._rung.clear()
            try:
                wait = await self._look()
                self.problem = told = ""
                overtaken = 0
            except (errors.Unavailable, errors.Misconfigured) as error:
                overtaken = overtaken + 1 if isinstance(error, errors.Conflict) else 0
                if 0 < overtaken < PATIENCE:  # another replica was first: read what it wrote
                    wait = random.uniform(0, 0.3)
                else:
                    told = self._tell(error.sentence, told)
                    wait = random.uniform(*RETRY)
            await self._rest(wait)

    def _tell(self, sentence: str, told: str) -> str:
        """Note what is wrong, once in the log; what has been told now."""
        if sentence != told:
            log.warning(sentence)
        self.problem = sentence if self.problem else ""
        return sentence

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(min(LEAST, seconds))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, POLL)):
                await self._rung.wait()

    async def _look(self) -> float:
        """Bring everything into order; seconds until there may be more to do."""
        data = await self._renewed(await self._read(self._secret, "Secret"))
        try:
            await self._see_to_trust(data[TRUST])
            self._note_trust(data)
        except errors.NotFound:
            # Nobody calls yet. Whoever applies in waves (Argo CD) makes it once we are ready.
            self.problem = ""
            raise
        finally:  # in vain or not: what was served until now is not better
            if self._serving.use(data[CERTIFICATE], data[KEY], data[TRUST]):
                log.info("serving a new certificate")
        return certificates.rest(*self._leaves(data), time.time(), self._times)

    async def _renewed(self, secret: dict[str, Any]) -> Data:
        """The Secret's data, after what had to be done to it."""
        data = _decoded(secret)
        current, upcoming = self._leaves(data)
        trusted = self._is_trusted(data)
        step = certificates.step(current, upcoming, time.time(), self._times, trusted=trusted)
        if step == "keep":
            return data
        if step == "promote":
            data = certificates.promoted(data)
        else:
            made = await leaves.make_in_child(self._names, self._times.life)
            if step == "prepare" and current:
                data = certificates.prepared(data, made, current)
            else:
                data = certificates.replaced(data, made)
        await self._write(secret, data)
        log.info("stored a certificate", extra={"fields": {"step": step}})
        return data

    def _leaves(self, data: Data) -> tuple[Leaf | None, Leaf | None]:
        """The current and the upcoming certificate, where they are good."""
        current, upcoming = (
            leaves.judge(data.get(name, b""), data.get(key, b""), data.get(TRUST, b""), self._names)
            for name, key in ((CERTIFICATE, KEY), (NEXT_CERTIFICATE, NEXT_KEY))
        )
        return current, upcoming

    async def _read(self, where: tuple[str, str], kind: str) -> dict[str, Any]:
        collection, name = where
        try:
            return await self._kube.get(f"{collection}/{name}")
        except errors.NotFound as error:
            raise errors.NotFound(
                f"The {kind} {name} does not exist: install the chart or the manifest that has it"
                " (it may be without data), or name another one in the settings."
            ) from error

    async def _write(self, secret: dict[str, Any], planned: Data) -> None:
        """Against the resourceVersion that was read; errors.Conflict where it is not the newest."""
        encoded = {name: base64.b64encode(value).decode() for name, value in planned.items()}
        collection, name = self._secret
        await self._kube.put(f"{collection}/{name}", {**secret, "data": encoded})

    async def _see_to_trust(self, trust: bytes) -> None:
        configuration = await self._read(self._configuration, "MutatingWebhookConfiguration")
        wanted = base64.b64encode(trust).decode()
        operations: list[dict[str, Any]] = []
        for number, webhook in enumerate(configuration.get("webhooks") or ()):
            if webhook["clientConfig"].get("caBundle") != wanted:
                at = f"/webhooks/{number}"
                operations += [
                    {"op": "test", "path": f"{at}/name", "value": webhook["name"]},
                    {"op": "add", "path": f"{at}/clientConfig/caBundle", "value": wanted},
                ]
        if operations:
            collection, name = self._configuration
            await self._kube.patch(f"{collection}/{name}", operations)
            log.info("set the CA that the API server trusts", extra={"fields": {"in": name}})
        await self._see_to_owner(configuration)

    async def _see_to_owner(self, configuration: dict[str, Any]) -> None:
        """Make the webhook's namespace the owner of its configuration.

        Deleting the namespace alone would leave a configuration that refuses pods of the
        whole cluster. A cluster may require more rights for that than we have: it is no failure.
        """
        owners = configuration["metadata"].get("ownerReferences") or []
        if self._owner_refused or any(owner.get("kind") == "Namespace" for owner in owners):
            return
        collection, name = self._configuration
        try:
            found = (await self._read(self._namespace, "Namespace"))["metadata"]
            owner = {"apiVersion": "v1", "kind": "Namespace"} | {
                key: found[key] for key in ("name", "uid")
            }
            path, value = "/metadata/ownerReferences", [*owners, owner]
            await self._kube.patch(
                f"{collection}/{name}", [{"op": "add", "path": path, "value": value}]
            )
        except errors.Unavailable as error:
            self._owner_refused = True
            log.warning("cannot own the configuration", extra={"fields": {"told": error.sentence}})

    def _note_trust(self, data: Data) -> None:
        """The API server trusts all of ``data`` now; remember since when it does the next CA."""
        upcoming = data.get(NEXT_CERTIFICATE, b"")
        if upcoming != self._trusted:
            self._trusted, self._trusted_at = upcoming, time.monotonic()

    def _is_trusted(self, data: Data) -> bool:
        upcoming = data.get(NEXT_CERTIFICATE, b"")
        since = time.monotonic() - self._trusted_at
        return upcoming == self._trusted and since >= self._times.overlap.total_seconds()


def _decoded(secret: dict[str, Any]) -> dict[str, bytes]:
    """The Secret's data; what somebody else put there in a wrong form is as good as absent."""
    data: dict[str, bytes] = {}
    for name, text in (secret.get("data") or {}).items():
        with contextlib.suppress(binascii.Error, ValueError):
            data[name] = base64.b64decode(text or "", validate=True)  # null is as good as absent
    return data
