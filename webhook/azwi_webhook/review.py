"""The wire format of admission: an AdmissionReview in, an AdmissionReview out. Pure.

v1 and v1beta1 are one format under two names here: what is read and written is the same in both,
and the answer carries the version of the question. msgspec parses and writes: a quarter of the time
of ``json`` for a review of 6 KB, as it skips what nobody here reads, such as managedFields.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import gc
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import msgspec

from azwi_webhook import errors, pods

CONTENT_TYPE: Final = "application/json"
GROUP: Final = "admission.k8s.io/"
VERSIONS: Final = (GROUP + "v1", GROUP + "v1beta1")

FORBIDDEN: Final = 403
"""A refused pod: kubectl prints "Error from server (Forbidden)", and no client tries again."""
UNAVAILABLE: Final = 503
BROKEN: Final = 500
MOST_PARTS: Final = 100_000
"""Values of a review. A pod that is as large as the API server stores them has some 50,000."""
LONGEST_UID: Final = 128  # signs; an API server sends 36
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_REASONS = {
    FORBIDDEN: "Forbidden",
    UNAVAILABLE: "ServiceUnavailable",
    BROKEN: "InternalError",
}


class Status(TypedDict):
    """A Kubernetes Status, as far as a denial needs it."""

    status: str
    code: int
    reason: str
    message: str


class Response(TypedDict, total=False):
    """The part of an answer that decides."""

    uid: str
    allowed: bool
    patchType: str
    patch: bytes
    """JSON Patch; msgspec writes bytes in base64, as Kubernetes wants them."""
    status: Status
    warnings: list[str]


class Review(TypedDict):
    """An AdmissionReview as it is sent back."""

    apiVersion: str
    kind: str
    response: Response


@dataclass(frozen=True, slots=True)
class Call:
    """What the API server asks."""

    version: str
    """One of VERSIONS."""
    uid: str
    namespace: str
    operation: str
    kind: str
    """``group/version/Kind`` without the group for the core one: ``v1/Pod``."""
    subresource: str
    object: pods.Object
    """The object as it would be stored, as far as `pods.Sent` names its fields; else empty."""

    @property
    def creates_pod(self) -> bool:
        """Whether this is the call that pods are mutated in."""
        return self.kind == "v1/Pod" and self.operation == "CREATE" and not self.subresource


class _Kind(TypedDict, total=False):
    group: str | None
    version: str | None
    kind: str | None


class _Request(TypedDict, total=False):
    uid: str | None
    kind: _Kind | None
    subResource: str | None
    namespace: str | None
    operation: str | None
    object: pods.Sent | None


class _Asked(TypedDict, total=False):
    apiVersion: str | None
    kind: str | None
    request: _Request | None


_decode_known = msgspec.json.Decoder(_Asked).decode


def parts(body: bytes | bytearray) -> int:
    """How many values the JSON has at most, without reading it; what is in texts counts too.

    A byte of JSON may become 60 bytes of memory: 4 MB of ``[],[],`` are two million objects.
    """
    return sum(map(body.count, (b"{", b"[", b",")))


def _decode(body: bytes | bytearray) -> _Asked:
    if parts(body) > MOST_PARTS:
        raise errors.BadCall(f"The review has more than {MOST_PARTS} values.", status=413)
    gc.disable()  # it would look at every object that is made, again and again
    try:
        return _decode_known(body)
    finally:
        gc.enable()


def _plain(value: object) -> str | int:
    """For msgspec, which knows no subclasses: what was checked (``Guid``, ``Port``) has a class."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    raise NotImplementedError  # how msgspec wants to be told


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def parse(body: bytes | bytearray) -> Call:
    """The call in an HTTP body; errors.BadCall says what is wrong with it."""
    try:
        review = _decode(body)
    except msgspec.ValidationError as error:
        raise errors.BadCall(f"The body is no AdmissionReview of a pod: {error}.") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.BadCall("The body is not a JSON object.") from error
    version = review.get("apiVersion")
    if review.get("kind") != "AdmissionReview" or version not in VERSIONS:
        raise errors.BadCall(
            f"The body must be an AdmissionReview of {' or '.join(VERSIONS)};"
            f" it is {_shown(review.get('kind'))} of {_shown(version)}."
        )
    request = review.get("request") or {}
    kind = request.get("kind") or {}
    names = (kind.get("group"), kind.get("version"), kind.get("kind"))
    call = Call(
        version=version,
        uid=request.get("uid") or "",
        namespace=request.get("namespace") or "",
        operation=request.get("operation") or "",
        kind="/".join(filter(None, names)),
        subresource=request.get("subResource") or "",
        object=request.get("object") or {},
    )
    if not 0 < len(call.uid) <= LONGEST_UID or not call.uid.isprintable():
        raise errors.BadCall("The review has no request.uid as an API server sends it.")
    if call.creates_pod:
        _check_pod(call)
    return call


def allow(call: Call, patch: Sequence[dict[str, Any]] = (), warnings: Sequence[str] = ()) -> bytes:
    """The answer that lets the object pass, changed by ``patch``."""
    response: Response = {"uid": call.uid, "allowed": True}
    if patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = _encode(patch)
    if warnings:
        response["warnings"] = list(warnings)
    return _answer(call, response)


def deny(call: Call, sentence: str, code: int = FORBIDDEN) -> bytes:
    """The answer that keeps the object out; kubectl prints the sentence."""
    status: Status = {
        "status": "Failure",
        "code": code,
        "reason": _REASONS[code],
        "message": sentence,
    }
    return _answer(call, {"uid": call.uid, "allowed": False, "status": status})


def _answer(call: Call, response: Response) -> bytes:
    review: Review = {
        "apiVersion": call.version,
        "kind": "AdmissionReview",
        "response": response,
    }
    return _encode(review)


def _check_pod(call: Call) -> None:
    if not _NAMESPACE.fullmatch(call.namespace):
        raise errors.BadCall("The review's request.namespace is no name of a namespace.")
    if not isinstance(call.object.get("spec"), dict):
        raise errors.BadCall("The review's pod has no spec.")


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else "nothing"
