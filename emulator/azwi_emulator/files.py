"""The files that a running emulator offers: CA certificates and service account tokens.

Every file is world-readable (a client may run under another UID) and replaced in one step; only a
CA key that was asked for is for the owner alone.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azwi_emulator import errors

CA: Final = "ca.pem"
CA_KEY: Final = "ca-key.pem"
TOKEN: Final = "azure-identity-token"  # named as in a pod
TOKEN_PROXY_CA: Final = "token-proxy-ca.pem"
TOKEN_PROXY_TOKEN: Final = "token-proxy-identity-token"

_EVERYBODY: Final = 0o644
_OWNER: Final = 0o600


@contextmanager
def directory(given: str | None) -> Iterator[Path]:
    """The data directory: the given one, made if it is missing, or a new one, gone at the end."""
    try:
        path = Path(given or tempfile.mkdtemp(prefix="azwi-emulator-"))
        path.mkdir(parents=True, exist_ok=True)
        if given is None:
            path.chmod(0o755)  # mkdtemp keeps everybody else out
    except OSError as error:
        raise errors.StartFailed(
            f"The data directory {given or ''} cannot be made: {error.strerror}."
            " Choose another one by --data-dir."
        ) from error
    try:
        yield path.absolute()
    finally:
        if given is None:
            shutil.rmtree(path, ignore_errors=True)


def write(path: Path, content: str | bytes, *, secret: bool = False) -> None:
    """Replace a file in one step; a reader sees the old content or the new, never half of it."""
    data = content.encode() if isinstance(content, str) else content
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), _OWNER if secret else _EVERYBODY)
        new.replace(path)
    except OSError as error:
        raise errors.StartFailed(
            f"{path} cannot be written: {error.strerror}."
            " Make the directory writable, or choose another one by --data-dir."
        ) from error
