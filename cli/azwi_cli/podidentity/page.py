"""The report as one HTML page that needs nothing else, for people who run no commands. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from azwi_cli.podidentity.plan import Status

_MEANINGS: Final[Mapping[Status, tuple[str, str]]] = {
    Status.MIGRATES: ("good", "A patch is all that it takes."),
    Status.MIGRATED: ("good", "Already done."),
    Status.BY_HAND: ("some", "The changes are known; the pods must be made anew by hand."),
    Status.ASKS: ("some", "Somebody must decide or prepare something first."),
    Status.BLOCKED: ("bad", "Something must change before it can."),
    Status.NOTHING: ("none", "Its label selects no identity, so it gets none today either."),
}
_ORDER: Final = (
    *(Status.BLOCKED, Status.ASKS, Status.BY_HAND, Status.MIGRATES, Status.MIGRATED),
    Status.NOTHING,
)
"""Of the rows: what needs somebody comes first."""
_STYLE: Final = """
:root{--ink:#1c2430;--dim:#5b6675;--line:#d9dee5;--paper:#fff;--back:#f4f6f9;--good:#11703c;
--some:#8a5300;--bad:#a8201a;--none:#4b5563}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#a3adba;--line:#38414e;--paper:#1b212a;
--back:#12161c;--good:#5fd394;--some:#f0b45a;--bad:#ff8a80;--none:#b6bfca}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1200px;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0}.dim{color:var(--dim)}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
.tile{flex:1 1 11rem;background:var(--paper);border:1px solid var(--line);border-radius:8px;
padding:.9rem 1rem}
.tile b{display:block;font-size:1.8rem;line-height:1.2}
.good{color:var(--good)}.some{color:var(--some)}.bad{color:var(--bad)}.none{color:var(--none)}
table{width:100%;border-collapse:collapse;background:var(--paper);border:1px solid var(--line);
border-radius:8px}
th,td{text-align:left;vertical-align:top;padding:.6rem .8rem;border-top:1px solid var(--line);
overflow-wrap:break-word}
th{font-size:.85rem;color:var(--dim);font-weight:600;border-top:0;white-space:nowrap}
td.name{font-weight:600;min-width:11rem}td.name span{display:block;font-weight:400}
td.why{min-width:16rem}
td.state{font-weight:600;white-space:nowrap}
ul{margin:0;padding-left:1.1rem}li+li{margin-top:.35rem}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
@media (max-width:760px){
main{padding:1.25rem .9rem 3rem}.tile{flex-basis:8.5rem}
table,tbody,tr,td{display:block;width:100%}thead{display:none}
tr{border-top:1px solid var(--line);padding:.5rem 0}tr:first-child{border-top:0}
td{border:0;padding:.15rem .8rem}td[data-of]::before{content:attr(data-of) ": ";color:var(--dim);
font-weight:400}td:empty{display:none}td ul{margin-top:.25rem}}
"""


def html(found: Mapping[str, Any]) -> str:
    """The page for ``report.data``."""
    body = "\n".join(part for part in _sections(found) if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Migration from aad-pod-identity</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _sections(found: Mapping[str, Any]) -> Iterator[str]:
    yield "<h1>Migration from aad-pod-identity to workload identity</h1>"
    yield f'<p class="dim">{escape(_intro(found))}</p>'
    yield _tiles(found["summary"])
    yield _notes([*found["tooManyCredentials"], *found["notes"]])
    yield _workloads(found["workloads"])
    yield _classes(found["secretProviderClasses"])
    yield _credentials(found["federatedCredentials"])


def _intro(found: Mapping[str, Any]) -> str:
    many = found["summary"]["workloads"]
    of = f" of {found['source']}" if found["source"] else ""
    if not many:
        return f"No workload{of} uses aad-pod-identity: there is nothing to migrate."
    what = "workload uses" if many == 1 else "workloads use"
    return f"{many} {what} aad-pod-identity{'' if not of else ' in ' + found['source']}."


def _tiles(counted: Mapping[str, int]) -> str:
    tiles = [
        f'<div class="tile"><b class="{tone}">{counted[status]}</b>'
        f'<span class="{tone}">{escape(status)}</span><p class="dim">{escape(means)}</p></div>'
        for status, (tone, means) in _MEANINGS.items()
        if counted[status]
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _notes(notes: Sequence[str]) -> str:
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>To know</h2>\n<ul>{listed}</ul>" if notes else ""


def _workloads(workloads: Sequence[Mapping[str, Any]]) -> str:
    order = {status: place for place, status in enumerate(_ORDER)}
    listed = sorted(workloads, key=lambda item: order[Status(item["result"])])
    head = ("Workload", "Result", "Identity", "Service account", "Pods", "Why, and what to do")
    return _table("Workloads", head, [_row(item) for item in listed])


def _row(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    status = Status(item["result"])
    account = item["serviceAccount"]
    reasons = "".join(f"<li>{_reason(reason)}</li>" for reason in item["reasons"])
    name = f"{escape(item['kind'].lower())}/<wbr>{escape(item['name'])}"
    identities = ", ".join(identity["name"] for identity in item["identities"])
    return [
        ("name", f'<span class="dim">{escape(item["namespace"])}</span>{name}'),
        (f"state {_MEANINGS[status][0]}", escape(status)),
        ("", escape(identities)),
        ("", escape(account["name"] + (" (new)" if account["new"] else ""))),
        ("", str(item["pods"])),
        ("why", f"<ul>{reasons}</ul>" if reasons else ""),
    ]


def _reason(reason: Mapping[str, str]) -> str:
    remedy = f' <span class="dim">{escape(reason["remedy"])}</span>' if reason["remedy"] else ""
    return escape(reason["says"]) + remedy


def _classes(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            ("name", escape(f"{item['namespace']}/{item['name']}")),
            ("", escape(item["uses"])),
            ("", escape(item["says"])),
        ]
        for item in found
    ]
    return _table("Secrets that are mounted", ("SecretProviderClass", "Uses", "What to do"), rows)


def _credentials(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [("name", escape(item["identity"])), ("", f"<code>{escape(item['subject'])}</code>")]
        for item in found
    ]
    head = ("Managed identity", "Subject that it must trust")
    return _table("Federated credentials to make", head, rows)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> str:
    if not rows:
        return ""
    heads = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "\n".join(f"<tr>{''.join(_cells(head, row))}</tr>" for row in rows)
    table = f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f"<h2>{escape(title)}</h2>\n{table}"


def _cells(head: Sequence[str], row: Sequence[tuple[str, str]]) -> Iterator[str]:
    for text, (kind, content) in zip(head, row, strict=True):
        of = "" if kind == "name" or kind == "why" or not content else f' data-of="{escape(text)}"'
        yield f'<td class="{kind}"{of}>{content}</td>'
