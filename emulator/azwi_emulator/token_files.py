"""The ready-made client's service account tokens as files, renewed as a kubelet does it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from azwi_common import contract
from azwi_emulator import errors, files
from azwi_emulator.issuer import Issuer
from azwi_emulator.messages import BINDING_AUDIENCE, ServiceAccountTokenRequest
from azwi_emulator.ready_made import NAMESPACE, SERVICE_ACCOUNT

log = logging.getLogger(__name__)

LIFETIME: Final = 3600  # seconds, as the webhook asks of the kubelet
RENEW_EVERY: Final = LIFETIME * 0.8  # as the kubelet does


class TokenFiles:
    """Written at once; ``bound`` adds the token for the AKS token proxy."""

    def __init__(self, directory: Path, issuer: Issuer, *, bound: bool) -> None:
        self._audiences = {directory / files.TOKEN: contract.TOKEN_EXCHANGE_AUDIENCE}
        if bound:
            self._audiences[directory / files.TOKEN_PROXY_TOKEN] = BINDING_AUDIENCE
        self._issuer = issuer
        self._write()

    def follow_rotation(self) -> None:
        """Write new tokens where the issuer signs with another key by now."""
        if self._signed_by != self._issuer.key_id:
            self._write()

    @contextlib.asynccontextmanager
    async def renewed(self, every: float = RENEW_EVERY) -> AsyncIterator[None]:
        """Renew the files every so many seconds, until the end."""
        task = asyncio.create_task(self._renew(every))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _renew(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                self._write()
            except errors.StartFailed as error:  # a full disk may heal before the token expires
                log.error("the token files were not renewed: %s", error)

    def _write(self) -> None:
        self._signed_by = self._issuer.key_id
        for path, audience in self._audiences.items():
            asked = ServiceAccountTokenRequest(
                namespace=NAMESPACE,
                name=SERVICE_ACCOUNT,
                audience=audience,
                lifetime_seconds=LIFETIME,
            )
            files.write(path, self._issuer.mint(asked, now=time.time()))
