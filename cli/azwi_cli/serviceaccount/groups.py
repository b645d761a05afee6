"""Commands take their flags in groups: dataclasses, each of whose fields is one flag."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def takes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give Typer the fields of ``function``'s dataclass parameters as flags of their own."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def command(**given: Any) -> Any:
        arguments = {
            name: group(**{one.name: given.pop(one.name) for one in fields(group)})
            for name, group in groups.items()
        }
        return function(**arguments, **given)

    parameters = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            kept = {"kind": parameter.KEYWORD_ONLY, "annotation": hints[name]}
            parameters.append(parameter.replace(**kept))
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__annotations__ = {}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect.signature
    return command


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    found = []
    for one in fields(group):
        default = inspect.Parameter.empty if one.default is MISSING else one.default
        kind = inspect.Parameter.KEYWORD_ONLY
        found.append(inspect.Parameter(one.name, kind, default=default, annotation=hints[one.name]))
    return found
