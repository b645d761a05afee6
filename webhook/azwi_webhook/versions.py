"""What the API server's version says.

``gitVersion`` counts, not ``minor``: vendors write ``29+`` there.
"""

import re

_VERSION = re.compile(r"v?1\.(\d{1,4})(?!\d)", re.ASCII)


def minor_of(git_version: str) -> int:
    """34 for ``v1.34.0``, with whatever vendors write behind it; ValueError says what is wrong."""
    found = _VERSION.match(git_version)
    if not found:
        raise ValueError(f"a Kubernetes version is v1.N, such as v1.34.0; not {git_version[:40]!r}")
    return int(found[1])
