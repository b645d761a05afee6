"""What must hold for every input of the programs' parsers; one function each, of bytes.

Used twice: `run` lets atheris search for inputs, `test_corpus` replays the ones that were found.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from azwi_common import contract
from azwi_common.identities import IdentityMap
from azwi_common.proxy_settings import Settings
from azwi_common.settings import SettingsError, describe, load, parse
from azwi_proxy import aadsts, appservice, errors, imds, paths
from azwi_proxy.identities import Identities
from azwi_proxy.paths import Route
from azwi_testing.readings import names_identity
from azwi_webhook import review
from azwi_webhook.errors import BadCall

SEPARATOR = b"\x1f"
"""Between the arguments of a function that has several."""

_IDENTITY = (Route.TOKEN, Route.IDENTITY_INFO, Route.APP_SERVICE, Route.IDENTITY)
_SECRET = "5e81f00d0ddba11c"
_KEPT = (*_IDENTITY, Route.UNREADABLE)
_BASE = {
    contract.FEDERATED_TOKEN_FILE: "/t",
    contract.CLIENT_ID: "00000000-0000-0000-0000-000000000001",
    contract.TENANT_ID: "00000000-0000-0000-0000-000000000002",
}


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
    )
}
