"""The texts of checks as the code has them: names, titles and remedies, with {} for what varies."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pgnb

_PLACES = {"Check": {0: "name", 4: "remedy"}, "Checks.of": {0: "title"}, "Check.fact": {0: "name"}}
_KEYWORDS = ("name", "title", "remedy")
_CONFIRMATIONS = {2: "why"}


@dataclass(frozen=True)
class Text:
    """One text, what it is, and where it stands; `template` is None where the code computes it elsewhere."""

    place: str
    kind: str
    template: str | None


def texts() -> Iterator[Text]:
    """Every text of a check or a confirmation in the product."""
    root = Path(pgnb.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield from _of(node, f"{path.relative_to(root)}:{node.lineno}")


def _of(call: ast.Call, place: str) -> Iterator[Text]:
    function = ast.unparse(call.func)
    wanted = _CONFIRMATIONS if function == "Confirmation" else _PLACES.get(function)
    if wanted is None:
        return
    given = {kind: call.args[at] for at, kind in wanted.items() if at < len(call.args)}
    given |= {word.arg: word.value for word in call.keywords if word.arg in (*_KEYWORDS, "why")}
    for kind, value in given.items():
        for template in _templates(value):
            yield Text(place, kind, template)


def _templates(value: ast.expr) -> Iterator[str | None]:
    if isinstance(value, ast.Constant):
        if isinstance(value.value, str) and value.value:
            yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)
    elif isinstance(value, ast.IfExp):
        yield from _templates(value.body)
        yield from _templates(value.orelse)
    else:
        yield None
