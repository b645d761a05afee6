"""The wire format of admission: an AdmissionReview in, an AdmissionReview out. Pure.

v1 and v1beta1 are one format under two names here: what is read and written is the same in both,
and the answer carries the version of the question. msgspec parses and writes: a quarter of the time
of ``json`` for a review of 6 KB, as it skips what nobody here reads, such as managedFields.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from collections.abc import Mapping, Sequence
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
    object: dict[str, Any]
    """The object as it would be stored, as far as `pods.Sent` names its fields; else empty."""

    @property
    def creates_pod(self) -> bool:
        """Whether this is the call that pods are mutated in."""
        return self.kind == "v1/Pod" and self.operation == "CREATE" and not self.subresource


class _Request(TypedDict, total=False):
    uid: Any
    kind: Any
    subResource: Any
    namespace: Any
    operation: Any
    object: pods.Sent | None


class _Asked(TypedDict, total=False):
    apiVersion: Any
    kind: Any
    request: _Request | None


_decode_known = msgspec.json.Decoder(_Asked).decode
_decode_all = msgspec.json.Decoder(dict[str, Any]).decode


def _decode(body: bytes) -> Mapping[str, Any]:
    try:
        return _decode_known(body)
    except msgspec.ValidationError:  # JSON of another shape: whoever reads that field says so
        return _decode_all(body)


def _plain(value: object) -> str | int:
    """For msgspec, which knows no subclasses: what was checked (``Guid``, ``Port``) has a class."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    raise NotImplementedError  # how msgspec wants to be told


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def parse(body: bytes) -> Call:
    """The call in an HTTP body; errors.BadCall says what is wrong with it."""
    try:
        review = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.BadCall("The body is not a JSON object.") from error
    version = review.get("apiVersion")
    if review.get("kind") != "AdmissionReview" or version not in VERSIONS:
        raise errors.BadCall(
            f"The body must be an AdmissionReview of {' or '.join(VERSIONS)};"
            f" it is {_shown(review.get('kind'))} of {_shown(version)}."
        )
    request = _part(review, "request")
    kind = _part(request, "kind")
    group, of_group, name = (_text(kind, field) for field in ("group", "version", "kind"))
    call = Call(
        version=version,
        uid=_text(request, "uid"),
        namespace=_text(request, "namespace"),
        operation=_text(request, "operation"),
        kind="/".join(filter(None, (group, of_group, name))),
        subresource=_text(request, "subResource"),
        object=_part(request, "object"),
    )
    if not call.uid:
        raise errors.BadCall("The review has no request.uid.")
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
    """Down to where the mutation begins: below it the API server has checked the pod's types."""
    if not call.namespace:
        raise errors.BadCall("The review has no request.namespace.")
    if not isinstance(call.object.get("spec"), dict):
        raise errors.BadCall("The review's pod has no spec.")
    if not isinstance(call.object.get("metadata", {}), dict):
        raise errors.BadCall("The review's pod has a metadata that is not an object.")


def _part(parent: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A member that is an object; absent and null are an empty one."""
    value = parent.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.BadCall(f"The review's {field} must be an object.")
    return value


def _text(parent: Mapping[str, Any], field: str) -> str:
    value = parent.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise errors.BadCall(f"The review's {field} must be a string.")
    return value


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else "nothing"
