"""Environment to frozen dataclass, with every problem reported at once.

A setting is written once, as an annotated field of a frozen dataclass::

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        tenant_id: Annotated[str, Env(contract.TENANT_ID, "tenant that issues the tokens")]
        port: Annotated[Port, Env(contract.PROXY_PORT, "port to listen on")] = Port(8000)

A field without a default is required. An empty value counts as absent: manifests often carry empty
variables. Knows nothing of any one program, and reads no environment: ``__main__`` hands it in.
"""

import dataclasses
import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar, get_args, get_origin
from typing import get_type_hints as hints

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")


@dataclasses.dataclass(frozen=True, slots=True)
class Env:
    """Where a field's value comes from, and what it means to the person who sets it."""

    name: str
    help: str
    flag: str = ""
    """Command line flag that overrides the variable, where there is one."""


class SettingsError(Exception):
    """One or more settings are wrong; ``problems`` holds one sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class Port(int):
    """A TCP port, 1 to 65535."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse decimal digits; ValueError says what is allowed."""
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
            raise ValueError("must be a port number from 1 to 65535")
        return cls(text)


class HostNames(tuple[str, ...]):
    """Names of hosts, separated by spaces; in lower case and without a final dot."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        names = cls(name.removesuffix(".").lower() for name in text.split())
        for name in names:
            if not _HOST.fullmatch(name):
                raise ValueError(
                    f"must be names of hosts, without scheme or port; one is {name[:40]!r}"
                )
        return names


class Parsed(Protocol):
    """A type that knows its own text form."""

    @classmethod
    def from_text(cls, text: str) -> Any:
        """Parse ``text``; raise ValueError with a sentence's end ("must be ...")."""


T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One documented setting, as ``describe`` returns it."""

    field: str
    env: Env
    type: Any
    required: bool
    default: Any


def describe(cls: type[Any]) -> tuple[Setting, ...]:
    """Every setting of a settings class, in the order in which it is written."""
    annotated = hints(cls, include_extras=True)
    return tuple(
        Setting(
            field.name,
            _env(annotated[field.name]),
            get_args(annotated[field.name])[0],
            field.default is dataclasses.MISSING,
            field.default,
        )
        for field in dataclasses.fields(cls)
    )


def load(cls: type[T], environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> T:
    """Build ``cls`` from variables; raises SettingsError with all problems, never just the first.

    ``flags``: values from the command line by flag name; they win over variables.
    Where ``cls`` has a classmethod ``problems(found)``, it is asked for what single fields cannot
    know: ``found`` maps field names to values, and lacks the fields that are themselves wrong.
    """
    found: dict[str, Any] = {}
    problems: list[str] = []
    for setting in describe(cls):
        name, text = _given(setting.env, environ, flags or {})
        if text:
            try:
                found[setting.field] = parse(setting.type, text)
            except ValueError as error:
                problems.append(f"{name} {error}.")
        elif setting.required:
            problems.append(f"{name} is not set: it is the {setting.env.help}.")
        else:
            found[setting.field] = setting.default
    problems.extend(getattr(cls, "problems", lambda _: ())(found))
    if problems:
        raise SettingsError(problems)
    return cls(**found)


def _given(env: Env, environ: Mapping[str, str], flags: Mapping[str, str]) -> tuple[str, str]:
    if env.flag and env.flag in flags:
        return env.flag, flags[env.flag].strip()
    return env.name, environ.get(env.name, "").strip()


def parse(kind: Any, text: str) -> Any:
    """The value of ``text`` as ``kind``; ValueError ends a sentence that starts with the name."""
    if from_text := getattr(kind, "from_text", None):
        return from_text(text)
    if get_origin(kind) in (types.UnionType,):  # "X | None": None is only ever the default
        return parse(next(arg for arg in get_args(kind) if arg is not types.NoneType), text)
    if get_origin(kind) is Literal:
        return _choice(get_args(kind), text)
    if get_origin(kind) is tuple:
        return tuple(text.split())
    if kind is bool:
        return _choice(("true", "false"), text.lower()) == "true"
    if kind is int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError("must be a whole number, 0 or more")
        return int(text)
    return text


def _choice(allowed: tuple[str, ...], text: str) -> str:
    if text not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}; it is {text[:40]!r}")
    return text


def _env(annotation: Any) -> Env:
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Env):
                return extra
    raise TypeError(f"a setting without Env(...): {annotation}")
