"""Opens files that others mount into the pod, and never waits for what stands there instead."""

import errno
import os
import resource
import stat
from io import BufferedReader

from azwi_proxy import errors


def regular(path: str) -> BufferedReader:
    """The regular file at ``path``, open; raises OSError for anything else, at once.

    A pipe would hold the event loop up until somebody writes into it.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  # the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is not a regular file", path)
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def exhausted(error: BaseException) -> bool:
    """Return whether an error says that no file or socket can be opened any more."""
    found = getattr(error, "os_error", None) or error  # aiohttp's hold the system's own
    return isinstance(found, OSError) and found.errno in (errno.EMFILE, errno.ENFILE)


def no_descriptors() -> errors.Unavailable:
    """The error for that: nothing is wrong with the file or the peer that was next."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return errors.Unavailable(
        f"azwi-proxy can open no more files and connections: its limit is {limit} (RLIMIT_NOFILE)."
        " Raise the limit of the container runtime, or lower the number of connections to the"
        " proxy.",
        reason="file_limit",
    )
