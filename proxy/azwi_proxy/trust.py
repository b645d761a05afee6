"""TLS contexts from CA files, made anew when a file's bytes change.

CA bundles are mounted from ConfigMaps and ClusterTrustBundles, which the kubelet replaces in place.
"""

import ssl
from pathlib import Path

from azwi_proxy import errors, files


class Trust:
    """The certificate authorities that one peer is verified against."""

    def __init__(self, ca_file: str = "", ca_data: str = "") -> None:
        """``ca_file``: a PEM file in place of the system's store; ``ca_data``: PEM text instead."""
        self._file = ca_file
        self._data = ca_data
        self._seen = b""
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The current context; raises errors.Unavailable that names the file and its problem.

        A file that vanishes, empties or breaks later keeps the last good context: a renewal that
        goes wrong must not cut off what works.
        """
        try:
            self._reload()
        except (OSError, ValueError, ssl.SSLError) as error:
            if self._context is None:
                if files.exhausted(error):
                    raise files.no_descriptors() from error
                source = f"file {self._file}" if self._file else "text"
                raise errors.Unavailable(
                    f"The CA {source} cannot be used: {_reason(error)}.", reason="ca_file"
                ) from error
        assert self._context is not None  # _reload made it, or raised
        return self._context

    def _reload(self) -> None:
        seen = _content(self._file) if self._file else self._data.encode()
        if seen == self._seen and self._context is not None:
            return
        given = bool(self._file or self._data)
        # What is not ASCII can only be a comment, and Python refuses it.
        self._context = _context(seen.decode("ascii", "ignore")) if given else _system()
        self._seen = seen


def _content(path: str) -> bytes:
    with files.regular(path) as file:
        return file.read()


def _system() -> ssl.SSLContext:
    return _lenient(ssl.create_default_context(cafile=_shipped_store()))


def _context(pem: str) -> ssl.SSLContext:
    if "-----BEGIN " not in pem:
        raise ValueError("it holds no PEM certificate")
    return _lenient(ssl.create_default_context(cadata=pem))


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    """Python 3.13 enforces RFC 5280 to the letter, which many company CAs do not meet."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _shipped_store() -> str | None:
    """certifi's file where the system has no CA store (a base image without ca-certificates)."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return None
    import certifi

    return certifi.where()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return (error.strerror or str(error)).lower()
    return "it holds no valid PEM certificate"
