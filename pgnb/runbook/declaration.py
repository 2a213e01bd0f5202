"""What a notebook's parameters cell declares, and whether a value has the declared type.

One line a parameter, `name: type = literal  # help`, with one `=` in it: papermill skips a line that has more
(papermill.translators.PythonTranslator.inspect).
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgnb.core.errors import ParameterError

_SCALARS: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `name: type = default  # help`."""

    name: str
    type: str
    default: Any
    help: str

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty text means something: it is the default, or the help says what it means."""
        return self.default == "" or '""' in self.help


def parse(source: str) -> tuple[Parameter, ...]:
    """Return the parameters that a cell's source declares.

    Raises ValueError or SyntaxError for a source that is anything else than such declarations.
    """
    comments = _comments(source)
    return tuple(_parameter(node, comments) for node in ast.parse(source).body)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value):
        raise ValueError(f"line {node.lineno}: {ast.unparse(node)}")
    default, comment = ast.literal_eval(node.value), comments.get(node.end_lineno or node.lineno, "")
    return Parameter(node.target.id, ast.unparse(node.annotation), default, comment)


def converted(parameter: Parameter, value: Any) -> Any:
    """Return the value as the notebook takes it. Raises ParameterError, with a remedy, for another type."""
    if parameter.default == "auto" and isinstance(value, bool):
        return str(value).lower()
    if fits(parameter.type, value):
        return float(value) if parameter.type == "float" else value
    raise ParameterError(
        f"{parameter.name} must be {parameter.type}",
        found=f"{value!r} ({type(value).__name__})",
        remedy=_remedy(parameter.type, value),
    )


def _remedy(declared: str, value: Any) -> str:
    """How to write it, where the slip is a known one."""
    outer = declared.partition("[")[0]
    if outer == "dict":
        return (
            "Write NAME: VALUE pairs; quote the values, since YAML reads on, off, yes and no as booleans and "
            "10 as a number."
        )
    if outer == "list":
        one = value if isinstance(value, str) else "VALUE"
        return f"Write a list: [{one}]."
    if outer == "bool":
        return "Write true or false, without quotes; with papermill's -p: True or False."
    if outer in ("int", "float"):
        return "Write a number, without quotes."
    if isinstance(value, bool):
        return "YAML reads on, off, yes and no as booleans: quote the value."
    if isinstance(value, int | float):
        return "Quote the value, so that it stays as it is written; with papermill: -r NAME VALUE."
    return "Write one text."


def fits(declared: str, value: Any) -> bool:
    """Whether a value has the declared type, given as in the parameters cell: `dict[str, list]`."""
    outer, _, inner = declared.partition("[")
    inner = inner.removesuffix("]")
    if outer == "list":
        return isinstance(value, list) and all(not inner or fits(inner, item) for item in value)
    if outer == "dict":
        key, _, content = inner.partition(",")
        return isinstance(value, dict) and all(
            fits(key.strip(), k) and fits(content.strip(), v) for k, v in value.items()
        )
    if outer == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    expected = _SCALARS.get(outer, object)
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
