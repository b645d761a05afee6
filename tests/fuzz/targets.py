"""What must hold for every input of the programs' parsers; one function each, of bytes.

Used twice: `run` lets atheris search for inputs, `test_corpus` replays the ones that were found.
"""

import contextlib
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from azwi_common import contract
from azwi_common.identities import IdentityMap
from azwi_common.proxy_settings import Settings
from azwi_common.settings import SettingsError, describe, load, parse
from azwi_proxy import aadsts, appservice, errors, imds, paths
from azwi_proxy.identities import Identities
from azwi_proxy.paths import Route
from azwi_testing import admission, webhooks
from azwi_testing.readings import names_identity
from azwi_webhook import advice, held, mutate, review
from azwi_webhook.app import MAX_BODY
from azwi_webhook.errors import BadCall, Refused
from azwi_webhook.held import Wanted
from azwi_webhook.kube import Metadata, Thing

SEPARATOR = b"\x1f"
"""Between the arguments of a function that has several."""

_IDENTITY = (Route.TOKEN, Route.IDENTITY_INFO, Route.APP_SERVICE, Route.IDENTITY)
_SECRET = "5e81f00d0ddba11c"
_KEPT = (*_IDENTITY, Route.UNREADABLE)
_GUID = "00000000-0000-0000-0000-000000000001"
_BASE = {
    contract.FEDERATED_TOKEN_FILE: "/t",
    contract.CLIENT_ID: "00000000-0000-0000-0000-000000000001",
    contract.TENANT_ID: "00000000-0000-0000-0000-000000000002",
}


_WEBHOOK = admission.settings()
_CONTAINER: Mapping[str, Any] = {
    "name": "app",
    "image": "app:1",
    "env": [{"name": "AZURE_CLIENT_ID", "value": "x", "valueFrom": {"fieldRef": {}}}],
    "ports": [{"containerPort": 8000, "protocol": "TCP"}],
    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
    "securityContext": {"runAsUser": 1501},
    "volumeMounts": [{"name": "v", "mountPath": contract.TOKEN_MOUNT}],
}
_REVIEW = webhooks.review(
    {
        "metadata": {
            "labels": {contract.USE_LABEL: "true"},
            "annotations": {
                **dict.fromkeys(sorted(contract.ALL_ANNOTATIONS), ""),
                contract.INJECT_ANNOTATION: "true",
                contract.DEFAULT_CONTAINER_ANNOTATION: "app",
            },
        },
        "spec": {
            "serviceAccountName": "app",
            "containers": [_CONTAINER],
            "initContainers": [copy.deepcopy(_CONTAINER)],
            "volumes": [{"name": contract.TOKEN_VOLUME, "projected": {"sources": [{}]}}],
            "imagePullSecrets": [{"name": "a"}],
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "securityContext": {"runAsUser": 1},
            "os": {"name": "linux"},
            "resources": {"limits": {"cpu": "1"}},
            "hostNetwork": False,
            "restartPolicy": "Always",
        },
    }
)
_ODD = "\U0001f600\x00\x1b[2J\u202e$(HOME)"
_SHAPES: tuple[Callable[[int], Any], ...] = (
    lambda size: [[]] * size * 20,
    lambda size: [{}] * size * 20,
    lambda size: [""] * size * 20,
    lambda size: [copy.deepcopy(_CONTAINER)] * size,
    lambda size: {str(number): "" for number in range(size * 20)},
    lambda size: {f"{contract.PREFIX}{number}{_ODD}": _ODD * 9 for number in range(size)},
    lambda size: "x" * size**2,
    lambda size: _ODD * size * 20,
    lambda size: json.loads("[" * size * 3 + "]" * size * 3 or "0"),
    lambda size: 10 ** (size * 16),
    lambda size: -size,
    lambda size: float(size) * 1e300,
    lambda _: None,
    lambda size: size % 2 == 0,
    lambda size: ["true", "false", "environment", "[]", "1e999999999", "$(A)"][size % 6],
    lambda size: json.dumps([{"clientId": _GUID, "tenantId": "t" * size}] * size),
)
"""By number, what is put into a place; each takes a size of 0 to 255."""


def route(data: bytes) -> None:
    """Nothing that reads as identity may pass, and decoding once more changes nothing of that."""
    target = _text(data)
    found = paths.route(target)
    sent = paths.origin_form(target)
    if names_identity(sent.encode(errors="surrogateescape")):
        assert found in _KEPT, (target, found)
    path, query = paths.split(target)
    if found in _IDENTITY:
        # A "?" that was part of the path stays one: what follows it would be no path otherwise.
        decoded = unquote(path, errors="surrogateescape").replace("?", "%3F")
        again = paths.route(decoded)
        assert again in _KEPT, (target, found, again)
    assert sent.startswith("/")
    assert paths.split(sent)[1] == query or sent.startswith("/http")
    if found not in _KEPT:
        assert paths.route(sent) is found, (target, found, paths.route(sent))


def token_request(data: bytes) -> None:
    """A request with a resource that is safe to pass on, or BadRequest; and never a wrong token."""
    query, _, form = data.partition(SEPARATOR)
    try:
        asked = imds.token_request(_text(query), _text(form))
    except errors.BadRequest as error:
        _is_compact(imds.error_answer(error))
        return
    assert 0 < len(asked.resource) <= 1024
    assert not any(sign.isspace() or sign < " " for sign in asked.resource), asked
    assert imds.scope(asked.resource).endswith("/.default")
    assert bool(asked.parameter) == bool(asked.value)
    assert asked.parameter in ("", imds.CLIENT_ID, imds.OBJECT_ID, imds.RESOURCE_ID)
    times = {"expires_in": 1, "expires_on": 2, "not_before": 0}
    _is_compact(imds.token_answer("t", asked.resource, "c", **times))
    strict = Identities(default_client="a", default_tenant="b", strict=True)
    try:
        strict.resolve(asked.value)
    except errors.IdentityNotFound as error:
        _is_compact(imds.error_answer(error))


def appservice_request(data: bytes) -> None:
    """The one right header, and then as ``token_request``; in either version, by one reading."""
    query, *rest = data.split(SEPARATOR)
    spoken = appservice.version(_text(query))
    values = [_text(value) for value in rest]
    try:
        appservice.guard(spoken, values, _SECRET, forwarded_for=False)
    except errors.HeaderWrong as error:
        told = appservice.error_answer(error)
        _is_compact(told)
        assert _SECRET.encode() not in told
        assert values != [_SECRET]
    else:
        assert values == [_SECRET]
    try:
        asked = appservice.token_request(_text(query))
    except errors.BadRequest as error:
        _is_compact(appservice.error_answer(error))
        return
    assert 0 < len(asked.resource) <= 1024
    assert bool(asked.parameter) == bool(asked.value)
    times = {"expires_in": len(data), "expires_on": int.from_bytes(query[-5:], "big")}
    _is_compact(appservice.token_answer(spoken, "t", asked.resource, "c", **times))
    strict = Identities(default_client="a", default_tenant="b", strict=True)
    with contextlib.suppress(errors.IdentityNotFound):
        strict.resolve(asked.value)


def guard(data: bytes) -> None:
    """Only ``true`` passes, in every value, and never beside X-Forwarded-For."""
    first, *rest = data.split(SEPARATOR)
    values = [_text(value) for value in rest]
    try:
        imds.guard(values, bool(first))
    except (errors.HeaderMissing, errors.HeaderForbidden) as error:
        _is_compact(imds.error_answer(error))
    else:
        assert values
        assert not first
        assert {value.strip().casefold() for value in values} == {"true"}


def identities(data: bytes) -> None:
    """A map that can be looked up without a wrong answer, or ValueError in one line."""
    try:
        mapped = IdentityMap.from_text(_text(data))
    except ValueError as error:
        _is_sentence(str(error))
        return
    known = Identities(default_tenant="t", mapped=tuple(mapped), strict=True)
    for entry in mapped:
        assert known.resolve(entry.client_id).client_id == entry.client_id
        if entry.object_id:
            assert known.by_object_id()[entry.object_id].client_id == entry.client_id


def settings(data: bytes) -> None:
    """Every field by itself, and all of them together: a value, or a sentence."""
    number, _, text = data.partition(SEPARATOR)
    described = describe(Settings)
    setting = described[(number or b"\0")[0] % len(described)]
    value = _text(text)
    try:
        parse(setting.type, value)
    except ValueError as error:
        _is_sentence(str(error))
    for problem in _problems({**_BASE, setting.env.name: value}):
        _is_sentence(problem)
        assert problem.endswith("."), problem


def entra_error(data: bytes) -> None:
    """Whatever answers in Entra ID's place, the app gets a compact error with a sane status."""
    number, retry_after, body = [*data.split(SEPARATOR, 2), b"", b""][:3]
    status = 400 + sum(number) % 200
    asked = aadsts.Asked(client="{client}", resource="r", subject="{0}")
    error = aadsts.error_of(status, _text(body), _text(retry_after), asked)
    assert error.status in (400, 401, 429, 503), error.status
    _is_compact(imds.error_answer(error))


def admission_review(data: bytes) -> None:
    """A call that can be answered, or a 4xx with a sentence."""
    try:
        call = review.parse(data)
    except BadCall as error:
        _is_sentence(error.description)
        return
    for answer, allowed in ((review.allow(call), True), (review.deny(call, "Why."), False)):
        said = json.loads(answer, parse_constant=_no_json)
        assert said["apiVersion"] in review.VERSIONS
        assert said["response"]["uid"] == call.uid
        assert said["response"]["allowed"] is allowed
    if call.creates_pod:
        assert isinstance(call.object["spec"], dict)


def hostile_review(data: bytes) -> None:
    """Shapes that no API server sends, anywhere in a pod: decided within bounds, or a sentence.

    Each three bytes put one shape into one place: which place, which shape, how many of it.
    """
    asked = copy.deepcopy(_REVIEW)
    for at in range(0, min(len(data), 36), 3):
        place, shape, size = [*data[at : at + 3], 0, 0][:3]
        _put(asked, _PLACES[place % len(_PLACES)], _SHAPES[shape % len(_SHAPES)](size))
    body = json.dumps(asked).encode()
    if len(body) > MAX_BODY:
        return
    started = time.process_time()
    refused, answer = _answered(body)
    assert time.process_time() - started < 2
    if refused:
        _is_sentence(refused)
        assert refused.isprintable()
        assert len(refused) < 25_000
    if answer:
        assert len(answer) < 3_000_000
        assert json.loads(answer, parse_constant=_no_json)["response"]["uid"]


def _answered(body: bytes) -> tuple[str, bytes]:
    """Why a call or its pod is refused, or else the answer."""
    try:
        call = review.parse(body)
        return "", _decided(call) if call.creates_pod else review.allow(call)
    except BadCall as error:
        return error.description, b""
    except Refused as error:
        return error.sentence, b""


def _decided(call: review.Call) -> bytes:
    """The answer to a pod whose service account is as hostile as its own annotations."""
    metadata = call.object.get("metadata") or {}
    given = metadata.get("annotations") or {}
    thing = Thing(Metadata(name="app", annotations=dict(given)))
    known = held.kept(thing, Wanted((), contract.ACCOUNT_ANNOTATIONS, contract.PREFIX))
    account = mutate.Account("app", known.labels, known.annotations)
    around = mutate.Surroundings(call.namespace, {}, 34, "s" * 43)
    admitted = mutate.admit(call.object, account, around, _WEBHOOK)
    assert len(admitted.warnings) <= advice.MOST
    assert all(len(one) <= advice.LONGEST for one in admitted.warnings)
    return review.allow(call, admitted.patch, admitted.warnings)


def _put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    """Set what is at ``place``, where earlier shapes have left the way to it."""
    *way, last = place
    with contextlib.suppress(KeyError, IndexError, TypeError):
        for key in way:
            value = value[key]
        value[last] = new


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in members:
        yield (*way, key)
        if isinstance(part, dict | list):
            yield from _places(part, (*way, key))


def _problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    try:
        load(Settings, environ)
    except SettingsError as error:
        return error.problems
    return ()


def _text(data: bytes) -> str:
    """As aiohttp and os.environ decode: what is no UTF-8 becomes surrogates."""
    return data.decode(errors="surrogateescape")


def _is_compact(answer: bytes) -> None:
    """One line of ASCII JSON as every client reads it, an object, no space between its parts."""
    assert answer.isascii()
    assert not set(answer) & set(b"\r\n\t")
    said = json.loads(answer, parse_constant=_no_json)
    assert isinstance(said, dict)
    assert answer == json.dumps(said, separators=(",", ":")).encode()


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _is_sentence(told: str) -> None:
    assert told


_PLACES = tuple(_places(_REVIEW))


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        route,
        token_request,
        appservice_request,
        guard,
        identities,
        settings,
        entra_error,
        admission_review,
        hostile_review,
    )
}
