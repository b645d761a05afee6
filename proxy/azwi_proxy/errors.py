"""Everything that can go wrong with a request, as the app will be told it.

A status in the 4xx class says "will not heal by itself", 503 and 429 say "try again": SDKs retry
the latter for up to three minutes, and must not be made to do so for the former.
"""

from collections.abc import Mapping

RETRY_SOON = 2  # seconds; SDKs sleep it in full up to five times, so it stays small


class ProxyError(Exception):
    """A request that is answered with an error; ``description`` is what the app's user reads."""

    status = 400
    error = "invalid_request"
    reason = "bad_request"
    retry_after: int | None = None
    """Seconds for the Retry-After header; None sends no header."""

    details: Mapping[str, object] = {}
    """More for the log alone. Nothing else of a request is logged: it may hold what is not ours."""

    def __init__(self, description: str) -> None:
        self.description = description
        super().__init__(description)

    def fields(self) -> Mapping[str, object]:
        """More members for the JSON body."""
        return {}

    def forget_frames(self) -> None:
        """Let go of where it was raised, and of what caused it: frames hold whole requests."""
        self.__traceback__ = self.__cause__ = self.__context__ = None


class BadRequest(ProxyError):
    """The request itself is wrong."""


class HeaderMissing(ProxyError):
    """No ``Metadata: true``: a probe of an SDK, or a forged request."""

    reason = "metadata_header"


class HeaderForbidden(ProxyError):
    """``X-Forwarded-For``: somebody else's request, passed on by a server that was tricked."""

    reason = "forwarded_header"


class HeaderWrong(ProxyError):
    """Not the one header that App Service's protocol asks for: a forged request, or a mistake."""

    status = 401
    error = "unauthorized"
    reason = "identity_header"


class FromBrowser(ProxyError):
    """A page in a browser that shares the pod's network."""

    reason = "browser"

    def __init__(self) -> None:
        super().__init__(
            "Requests of web pages are not answered"
            " (they carry Origin, Sec-Fetch-Site or Sec-Fetch-Dest)"
        )


class HostRefused(ProxyError):
    """A Host that somebody else's DNS may answer for."""

    reason = "host"


class Unparsed(ProxyError):
    """Bytes that the HTTP parser refuses; ``reason`` tells them apart in the metrics."""

    def __init__(self, description: str, *, reason: str, status: int = 400) -> None:
        self.reason, self.status = reason, status
        super().__init__(description)


class IdentityNotFound(ProxyError):
    """The pod has no such identity; the words are the ones that SDKs look for."""

    reason = "identity_not_found"

    def __init__(self) -> None:
        super().__init__("Identity not found")


class NotForwarded(ProxyError):
    """A metadata request that is not passed on. No word "unreachable": SDKs read it as no IMDS."""

    status = 403
    error = "forbidden"
    reason = "not_forwarded"


class NotHere(ProxyError):
    """An identity endpoint that this project does not have."""

    status = 404
    error = "not_found"
    reason = "not_found"


class MethodNotAllowed(ProxyError):
    """A method other than ``allow`` names."""

    status = 405
    error = "method_not_allowed"
    reason = "method_not_allowed"

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__(f"Only these methods are allowed here: {allow}")


class BodyTooLarge(ProxyError):
    """A form that no client would send."""

    status = 413
    reason = "body_too_large"


class SlowClient(ProxyError):
    """The request's body did not arrive."""

    status = 408
    reason = "slow_client"


class Busy(ProxyError):
    """More different tokens are asked for at once than IMDS would bear."""

    status = 429
    error = "too_many_requests"
    reason = "busy"
    retry_after = 1


class Broken(ProxyError):
    """A bug of this program."""

    status = 500
    error = "internal_error"
    reason = "bug"

    def __init__(self) -> None:
        super().__init__("azwi-proxy failed on this request; its log says how")


class UpstreamUnreadable(ProxyError):
    """The real metadata service sent what cannot be passed on as it is."""

    status = 502
    error = "bad_gateway"
    reason = "imds_bad_answer"


class UpstreamUnreachable(ProxyError):
    """The real metadata service did not answer."""

    status = 504
    error = "gateway_timeout"
    reason = "imds_timeout"


class TokenError(ProxyError):
    """No token could be got; the store remembers it for ``remember`` seconds."""

    remember: tuple[float, float] = (1.0, 2.0)
    """Least and most seconds for which the failure answers instead of another exchange."""


class Unavailable(TokenError):
    """Nothing is wrong with the request: Entra ID, the network or the token file is not there."""

    status = 503
    error = "service_unavailable"
    retry_after = RETRY_SOON

    def __init__(self, description: str, *, reason: str, hold: float = 0) -> None:
        self.reason = reason
        self.hold = hold
        """Seconds for which Entra ID asked not to be called (its Retry-After)."""
        super().__init__(description)


class BrokenExchange(TokenError):
    """A bug, or a setting that nobody foresaw: an exception that is none of these.

    Remembered as any failure. It names the part that failed and the settings that it goes by.
    """

    status = 500
    error = "internal_error"
    reason = "bug"
    remember = (3.0, 6.0)

    def __init__(self, part: str, settings: str, kind: str, place: str) -> None:
        super().__init__(
            f"azwi-proxy failed on this token in {part} ({kind} in {place})."
            f" Check {settings}; if they are right, report this as a bug."
        )


class Throttled(Unavailable):
    """Entra ID said 429; the store counts its Retry-After down, and tells the app 1 to 5 s."""

    status = 429
    error = "too_many_requests"

    def __init__(self, description: str, *, hold: float) -> None:
        super().__init__(description, reason="throttled", hold=hold)


class Refused(TokenError):
    """Entra ID refuses, and will go on refusing until somebody changes something."""

    remember = (3.0, 6.0)

    def __init__(
        self,
        description: str,
        *,
        status: int,
        error: str,
        code: int = 0,
        details: Mapping[str, object] | None = None,
    ) -> None:
        self.status = status
        self.error = error
        self.code = code
        """The AADSTS number; 0 where there is none."""
        self.reason = f"AADSTS{code}" if code else "refused"
        self.said = details or {}
        super().__init__(description)

    def fields(self) -> Mapping[str, object]:
        """Entra ID's codes, ids and time, as it wrote them."""
        return self.said


class NotYet(Refused):
    """A federated credential or an application that Entra ID does not know, perhaps not yet.

    Always 401: with a 400 old SDKs conclude that there is no identity and never ask again.
    """

    remember = (2.0, 4.0)


class StaleAssertion(Refused):
    """The service account token was outside its validity: read the file again, once."""
