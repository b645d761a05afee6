"""Caches that are bounded in bytes as well as in entries.

Pure. A client chooses what the proxy's caches hold: a thousand requests of 16 KB with one character
outside the BMP would be 64 MB, more than the container's limit leaves.
"""

import functools
import sys
from collections.abc import Callable
from typing import TypeVar

LONGEST = 2048  # bytes of memory; what SDKs send has some 300

T = TypeVar("T")


def cached(entries: int) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Remember what a function of texts returned, where they take LONGEST bytes at most.

    Longer ones are answered, and not kept. What the function returns must not be longer than a few
    copies of what it was given.
    """

    def around(function: Callable[..., T]) -> Callable[..., T]:
        kept = functools.lru_cache(entries)(function)

        @functools.wraps(function)
        def call(*texts: str) -> T:
            if sum(map(sys.getsizeof, texts)) > LONGEST:
                return function(*texts)
            return kept(*texts)

        return call

    return around
