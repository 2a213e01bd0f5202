"""The texts of checks, changes and findings as the code has them, with {} for what varies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import Path

import pgnb

_PLACES = {
    "Check": {0: "name", 4: "remedy"},
    "Checks.of": {0: "title"},
    "Check.fact": {0: "name"},
    "Kind": {0: "name"},
    "Finding": {4: "remedy"},
    "Change": {0: "title"},
}
_KEYWORDS = ("name", "title", "remedy")
_CONFIRMATIONS = {2: "why"}
_SLOT = "{}"
_FIELD = re.compile(r"\{[^{}]*\}")
_DEEPEST = 5
"""Names that stand for one another, at most; one that is built from itself ends there."""


@dataclass(frozen=True)
class Text:
    """One text, what it is, and where it stands; `template` is None where the code computes it elsewhere."""

    place: str
    kind: str
    template: str | None


def texts() -> Iterator[Text]:
    """Every text of a check, a finding, a change or a confirmation in the product."""
    root = Path(pgnb.__file__).parent
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants: Mapping[str, str] | None = None
        for call, function in _calls(tree):
            if constants is None:
                constants = _constants(path.relative_to(root.parent))
            names = _Names(constants, function)
            yield from _of(call, names, f"{path.relative_to(root)}:{call.lineno}")


@dataclass(frozen=True)
class _Names:
    """What names stand for: the module's texts, and what the function around a call assigns."""

    constants: Mapping[str, str]
    function: ast.AST | None

    def values(self, name: str) -> Iterator[ast.expr]:
        """Every value that the function gives a name; one that is added to it, as the sum."""
        nodes = list(ast.walk(self.function)) if self.function else []
        first = [value for node in nodes if isinstance(node, ast.Assign) for value in _given(node, name)]
        yield from first
        for node in nodes:
            if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == name:
                yield from (ast.BinOp(value, node.op, node.value) for value in first)


def _given(node: ast.Assign, name: str) -> Iterator[ast.expr]:
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=False)
        else:
            pairs = zip([target], [node.value], strict=True)
        yield from (value for one, value in pairs if ast.unparse(one) == name)


def _calls(tree: ast.AST, function: ast.AST | None = None) -> Iterator[tuple[ast.Call, ast.AST | None]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and _wanted(node):
            yield node, function
        yield from _calls(node, node if isinstance(node, ast.FunctionDef) else function)


def _wanted(call: ast.Call) -> Mapping[int, str] | None:
    function = ast.unparse(call.func)
    return _CONFIRMATIONS if function == "Confirmation" else _PLACES.get(function)


def _constants(path: Path) -> Mapping[str, str]:
    module = import_module(".".join(path.with_suffix("").parts))
    return {name: value for name, value in vars(module).items() if isinstance(value, str)}


def _of(call: ast.Call, names: _Names, place: str) -> Iterator[Text]:
    given = {kind: call.args[at] for at, kind in (_wanted(call) or {}).items() if at < len(call.args)}
    given |= {word.arg: word.value for word in call.keywords if word.arg in (*_KEYWORDS, "why")}
    for kind, value in given.items():
        for template in _templates(value, names):
            if template is None or any(letter.isalpha() for letter in template):
                yield Text(place, kind, template)
            elif template:
                yield Text(place, kind, None)


def _templates(value: ast.expr, names: _Names, depth: int = 0) -> Iterator[str | None]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(_part(part, names) for part in parts)
        case ast.IfExp(body=first, orelse=second) | ast.BoolOp(values=[first, second]):
            yield from _templates(first, names, depth)
            yield from _templates(second, names, depth)
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            both = (list(_templates(side, names, depth)) for side in (left, right))
            yield from ("".join(_SLOT if one is None else one for one in pair) for pair in product(*both))
        case ast.Call(func=ast.Attribute(value=inner, attr="strip")):
            yield from _templates(inner, names, depth)
        case ast.Call(func=ast.Attribute(value=inner, attr="format")):
            yield from (one and _FIELD.sub(_SLOT, one) for one in _templates(inner, names, depth))
        case ast.Name(id=name) if name in names.constants:
            yield names.constants[name]
        case ast.Name(id=name) if depth < _DEEPEST and (given := list(names.values(name))):
            for one in given:
                yield from _templates(one, names, depth + 1)
        case _:
            yield None


def _part(part: ast.expr, names: _Names) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    inner = part.value if isinstance(part, ast.FormattedValue) else part
    return names.constants.get(inner.id, _SLOT) if isinstance(inner, ast.Name) else _SLOT
