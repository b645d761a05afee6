"""Why the redirect is not in place, and what to do about it: each error is one sentence, exit 1."""

from typing import Self


class InitError(Exception):
    """``what`` is wrong and what ``todo`` about it, two clauses that make one sentence."""

    def __init__(self, what: str, todo: str) -> None:
        self.what = what
        self.todo = todo
        super().__init__(f"{what}: {todo}.")


class NotPermitted(InitError):
    """The container lacks a capability; another backend would need at least as much."""


def not_permitted(what: str, todo: str, *, user: int) -> NotPermitted:
    """NotPermitted with the remedy for a process of ``user``: UID 0 alone has what a pod adds."""
    if user:
        todo = (
            f"run the init container as UID 0 (runAsUser: 0; it is {user}, which added"
            f" capabilities do not reach), and {todo}"
        )
    return NotPermitted(what, todo)


class NotSupported(InitError):
    """This kernel or this image lacks what the backend needs; another backend may work."""


class NotApplied(InitError):
    """The kernel took the rules, and yet they are not there as planned."""


class NotRedirected(InitError):
    """The rules are there, and yet a connection to the metadata address went elsewhere."""

    def __init__(
        self, what: str, todo: str, *, errno: int | None = None, user: int | None = None
    ) -> None:
        super().__init__(what, todo)
        self.errno = errno
        """The kernel's, where it refused the connection."""
        self.user = user
        """Whose connection it was; None is the process's own user."""

    @classmethod
    def missed(
        cls, metadata: tuple[str, int], predicate: str, *, errno: int | None, user: int | None
    ) -> Self:
        """The failure of a proof, before anybody has looked why: what the connection did."""
        of = "" if user is None else f" of UID {user}"
        return cls(
            f"the rules are set, but a connection{of} to {metadata[0]}:{metadata[1]} {predicate}",
            "look for rules of a service mesh, of a CNI plugin or of security software",
            errno=errno,
            user=user,
        )


class PortTaken(InitError):
    """Something that is not azwi-proxy holds the proxy's port."""
