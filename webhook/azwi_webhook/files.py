"""A certificate that somebody else renews, such as cert-manager: files, served as they change."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from azwi_webhook import errors
from azwi_webhook.certificates import CERTIFICATE, KEY, TRUST
from azwi_webhook.serving import Serving

AGAIN: Final = 5.0  # seconds between looks: three reads of small files

log = logging.getLogger("azwi_webhook.files")


class Files:
    """A folder with tls.crt, tls.key and ca.crt."""

    def __init__(self, folder: str, serving: Serving) -> None:
        self._folder = Path(folder)
        self._serving = serving
        self.problem = "The certificate files have not been read yet."
        """Why nothing can be served; empty once something is: that goes on whatever comes."""

    async def run(self) -> None:
        """Look at the files until cancelled."""
        told = ""
        while True:
            found = self._look()
            if found and found != told:
                log.error(found)
            told = found
            self.problem = "" if self._serving.begun else found
            await asyncio.sleep(AGAIN)

    def _look(self) -> str:
        """The bytes count and not the times: the kubelet exchanges the whole folder by a link."""
        try:
            chain, key, trust = (
                (self._folder / name).read_bytes() for name in (CERTIFICATE, KEY, TRUST)
            )
            if self._serving.use(chain, key, trust):
                log.info("serving the certificate of the files")
        except OSError as error:
            return (
                f"{error.filename} cannot be read ({error.strerror}): --webhook-cert-dir must be a"
                f" folder with {CERTIFICATE}, {KEY} and {TRUST}."
            )
        except errors.Misconfigured as error:
            return f"{self._folder}: {error.sentence}"
        return ""
