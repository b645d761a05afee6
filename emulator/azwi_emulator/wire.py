"""JSON objects to frozen dataclasses and back, names in camelCase on the wire.

A message is written once, as a dataclass in ``messages``; server, client and registration file
share it. Every problem is a sentence. Pure.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints

from azwi_emulator import errors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def camel(name: str) -> str:
    """``tenant_id`` as it is spelt on the wire: ``tenantId``."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def read(cls: type[T], body: object, where: str = "The body") -> T:
    """Build ``cls`` from a decoded JSON value; raises BadMessage for the first thing wrong."""
    if not isinstance(body, Mapping):
        raise errors.BadMessage(f"{where} must be a JSON object.")
    types_of = hints(cls)
    fields = {camel(field.name): field for field in dataclasses.fields(cls)}
    unknown = sorted(set(map(str, body)) - set(fields))
    if unknown:
        known = ", ".join(fields)
        raise errors.BadMessage(f"{where} has no field {unknown[0]!r}; its fields are {known}.")
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and name not in body
    ]
    if missing:
        raise errors.BadMessage(f"{where} lacks the field {missing[0]!r}.")
    return cls(
        **{
            fields[name].name: _value(types_of[fields[name].name], value, name)
            for name, value in body.items()
        }
    )


def write(message: "DataclassInstance") -> dict[str, Any]:
    """A dataclass as a JSON object; fields that are None stay: every message is complete."""
    return {
        camel(field.name): getattr(message, field.name) for field in dataclasses.fields(message)
    }


def _value(kind: Any, value: object, name: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        inner = next(arg for arg in args if arg is not types.NoneType)
        return None if value is None else _value(inner, value, name)
    if origin is Literal:
        if value not in args:
            raise errors.BadMessage(f"{name!r} must be one of {', '.join(map(str, args))}.")
        return value
    if origin is tuple:
        return _items(args[0], value, name)
    if origin is dict:
        if not isinstance(value, dict):
            raise errors.BadMessage(f"{name!r} must be a JSON object.")
        return value
    return _scalar(kind, value, name)


def _items(kind: Any, value: object, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise errors.BadMessage(f"{name!r} must be a JSON array.")
    if dataclasses.is_dataclass(kind):
        return tuple(read(kind, item, f"An item of {name!r}") for item in value)  # type: ignore[arg-type]  # a class: hints give no instances
    return tuple(_value(kind, item, name) for item in value)


def _scalar(kind: Any, value: object, name: str) -> Any:
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise errors.BadMessage(f"{name!r} must be {_NAMES[kind]}.")
    return value
