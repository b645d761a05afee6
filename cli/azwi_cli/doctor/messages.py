"""Reads error messages as people paste them, and says what they mean. Pure.

A message may hold a token by mistake: nothing of it is shown again but what is known to be safe.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from azwi_cli.doctor import codes

_CODE: Final = re.compile(r"AADSTS\s*(\d{4,8})", re.IGNORECASE)
_LISTED: Final = re.compile(r'"error_codes"\s*:\s*\[([\d,\s]+)\]')
_BARE: Final = re.compile(r"\s*(\d{4,8})\s*")
_QUOTE: Final = r"""[\\'"`]{1,3}"""
_SAID: Final = {
    "issuer": re.compile(
        rf"issuer:?\s*{_QUOTE}(https?://[\w./:-]{{1,200}}){_QUOTE}", re.IGNORECASE
    ),
    "subject": re.compile(rf"subject:?\s*{_QUOTE}([\w./:-]{{1,300}}){_QUOTE}", re.IGNORECASE),
    "audience": re.compile(rf"audience:?\s*{_QUOTE}([\w./:-]{{1,200}}){_QUOTE}", re.IGNORECASE),
    "application": re.compile(rf"identifier\s*{_QUOTE}([0-9a-fA-F-]{{36}}){_QUOTE}"),
    "trace": re.compile(r"Trace ID:\s*([0-9a-fA-F-]{36})"),
    "correlation": re.compile(r"Correlation ID:\s*([0-9a-fA-F-]{36})"),
    "timestamp": re.compile(r"Timestamp:\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)"),
}


@dataclass(frozen=True, slots=True)
class Explained:
    """What one code or one message means."""

    code: str
    """``AADSTS70021``; empty where the message has none."""
    meaning: str
    cause: str
    remedy: str
    waiting: str
    is_known: bool = True
    said: dict[str, str] = field(default_factory=dict)
    """Issuer, subject and the like, as the message names them."""

    def as_data(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {name: value for name, value in asdict(self).items() if value not in ("", {})}


def explained(message: str) -> list[Explained]:
    """Every code of a message, in their order; without any, what its words mean; else nothing."""
    said = _said(message)
    found = [_code(number, said) for number in dict.fromkeys(_codes(message))]
    if found:
        return found
    low = message.lower()
    return [
        Explained("", known.meaning, known.cause, known.remedy, known.waiting, said=said)
        for text, known in codes.MESSAGES.items()
        if text in low
    ]


def _codes(message: str) -> Iterator[int]:
    if bare := _BARE.fullmatch(message):
        yield int(bare[1])
    yield from (int(number) for number in _CODE.findall(message))
    for listed in _LISTED.findall(message):
        yield from (int(number) for number in listed.split(",") if number.strip())


def _code(number: int, said: dict[str, str]) -> Explained:
    name = f"AADSTS{number}"
    known = codes.CODES.get(number)
    if known:
        return Explained(name, known.meaning, known.cause, known.remedy, known.waiting, said=said)
    family = max(
        (start for start in codes.FAMILIES if str(number).startswith(start)),
        key=len,
        default="AADSTS",
    )
    return Explained(
        name,
        f"azwi does not know this code. It {codes.FAMILIES[family]}.",
        "",
        f"Microsoft explains it at https://login.microsoftonline.com/error?code={number}.",
        "",
        is_known=False,
        said=said,
    )


def _said(message: str) -> dict[str, str]:
    found = {name: pattern.search(message) for name, pattern in _SAID.items()}
    return {name: match[1] for name, match in found.items() if match}


def as_text(found: list[Explained]) -> str:
    """For people."""
    return "\n\n".join("\n".join(_lines(item)) for item in found)


def _lines(item: Explained) -> Iterator[str]:
    yield f"{item.code}: {item.meaning}" if item.code else item.meaning
    for title, text in (
        ("Cause", item.cause),
        ("What to do", item.remedy),
        ("Does waiting help", item.waiting),
    ):
        if text:
            yield f"  {title}: {text}"
    for name, text in item.said.items():
        yield f"  Its {name}: {text}"
