"""YAML as kubectl and the API server's tools read it. Pure.

That is YAML 1.1 as Go's libraries have it: a date, ``=`` and ``12:30`` are text there, and so is
what begins like a number and is none.
"""

from typing import Any

import yaml

_TEXT = ("timestamp", "value")


class Loader(yaml.CSafeLoader):
    """Give it to ``yaml.load``, ``load_all`` or ``compose``."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the library's own form
        sign: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] not in _TEXT]
        for sign, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def _number(loader: Any, node: Any) -> Any:
    if ":" in node.value:  # base 60
        return node.value
    made = loader.construct_yaml_int if node.tag.endswith(":int") else loader.construct_yaml_float
    try:
        return made(node)
    except ValueError:
        return node.value


for _kind in ("int", "float"):
    Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)
