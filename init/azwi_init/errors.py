"""Why the redirect is not in place, and what to do about it: each error is one sentence, exit 1."""


class InitError(Exception):
    """``what`` is wrong and what ``todo`` about it, two clauses that make one sentence."""

    def __init__(self, what: str, todo: str) -> None:
        self.what = what
        self.todo = todo
        super().__init__(f"{what}: {todo}.")


class NotPermitted(InitError):
    """The container lacks a capability; another backend would need at least as much."""


class NotSupported(InitError):
    """This kernel or this image lacks what the backend needs; another backend may work."""


class NotApplied(InitError):
    """The kernel took the rules, and yet they are not there as planned."""


class NotRedirected(InitError):
    """The rules are there, and yet a connection to the metadata address went elsewhere."""


class PortTaken(InitError):
    """Something that is not azwi-proxy holds the proxy's port."""
