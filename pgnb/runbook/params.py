"""A notebook's parameters: what it declares, and a file's or a command line's values held against that.

papermill itself enforces no types and only warns about unknown names, and YAML 1.1 turns `off` into False;
so values are checked here, before a kernel starts.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import nbformat
import yaml

from pgnb.errors import ParameterError

TAG = "parameters"
_SCALARS: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_SECRET = re.compile(r"\bpassword\s*=\s*[^\s'\"]|://[^/@\s:]+:[^/@\s]+@", re.IGNORECASE)


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `name: type = default  # help`."""

    name: str
    type: str
    default: Any
    help: str


def declared(notebook: Path) -> tuple[Parameter, ...]:
    """The parameters that a notebook declares in its cell tagged `parameters`.

    Raises ParameterError when the file is no notebook, or the cell is missing or not plain assignments.
    """
    source = _parameters_cell(notebook)
    comments = _comments(source)
    try:
        return tuple(_parameter(node, comments) for node in ast.parse(source).body)
    except (SyntaxError, ValueError) as error:
        raise ParameterError(
            f"{notebook.name}: its parameters cell can't be read",
            found=str(error),
            remedy="Keep it to lines of the form `name: type = literal  # help`.",
        ) from error


def _parameters_cell(notebook: Path) -> str:
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except FileNotFoundError as error:
        raise ParameterError(f"there is no notebook {notebook}") from error
    except Exception as error:
        raise ParameterError(f"{notebook} is not a notebook", found=str(error)) from error
    for cell in cells:
        if TAG in cell.metadata.get("tags", ()):
            return str(cell.source)
    raise ParameterError(f"{notebook.name} has no cell tagged `{TAG}`")


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value):
        raise ValueError(f"line {node.lineno}: {ast.unparse(node)}")
    default, comment = ast.literal_eval(node.value), comments.get(node.end_lineno or node.lineno, "")
    return Parameter(node.target.id, ast.unparse(node.annotation), default, comment)


def read_file(path: Path) -> dict[str, Any]:
    """The values of a YAML file as papermill would read them: one mapping of names to values.

    Raises ParameterError when it is not there, is not YAML, or is not such a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read", found=error.strerror or str(error)) from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: is not YAML", found=" ".join(str(error).split())) from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ParameterError(
            f"{path}: is not one mapping of parameter names to values", found=type(content).__name__
        )
    return content


def validate(
    notebook: Path, values: Mapping[str, Any], known_elsewhere: Iterable[str] = ()
) -> dict[str, Any]:
    """The values that this notebook takes, each of the declared type.

    A name that only other notebooks of the same run declare (`known_elsewhere`) is left out silently.
    Raises ParameterError for an unknown name, a wrong type, or a value that holds a secret.
    """
    parameters = {parameter.name: parameter for parameter in declared(notebook)}
    others = set(known_elsewhere)
    taken: dict[str, Any] = {}
    for name, value in values.items():
        if name in parameters:
            _refuse_secret(name, value)
            taken[name] = _converted(parameters[name], value)
        elif name not in others:
            raise _unknown(name, notebook, [*parameters, *others])
    return taken


def _unknown(name: str, notebook: Path, names: Sequence[str]) -> ParameterError:
    near = get_close_matches(name, names, 3)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"It takes {', '.join(sorted(names))}."
    return ParameterError(f"{notebook.name} has no parameter {name!r}", remedy=remedy)


def _refuse_secret(name: str, value: object) -> None:
    if _SECRET.search(str(value)):
        raise ParameterError(
            f"{name}: a parameter is never a secret, and this value holds one",
            remedy="Name where it is kept: secret:NAME/KEY, env:VARIABLE, passfile:PATH or pod-env:VARIABLE.",
        )


def _converted(parameter: Parameter, value: Any) -> Any:
    if parameter.default == "auto" and isinstance(value, bool):
        return str(value).lower()
    if _fits(parameter.type, value):
        return float(value) if parameter.type == "float" else value
    hint = ""
    if isinstance(value, bool) and parameter.type == "str":
        hint = "YAML reads on, off, yes and no as booleans: quote the value."
    elif parameter.type == "str" and isinstance(value, int | float):
        hint = "Quote the value, so that it stays as it is written."
    raise ParameterError(
        f"{parameter.name} must be {parameter.type}", found=f"{value!r} ({type(value).__name__})", remedy=hint
    )


def _fits(declared_type: str, value: Any) -> bool:
    outer, _, inner = declared_type.partition("[")
    inner = inner.removesuffix("]")
    if outer == "list":
        return isinstance(value, list) and all(_fits(inner, item) for item in value)
    if outer == "dict":
        key, _, content = inner.partition(",")
        return isinstance(value, dict) and all(
            _fits(key.strip(), k) and _fits(content.strip(), v) for k, v in value.items()
        )
    if outer == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    expected = _SCALARS.get(outer, object)
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))


def from_command_line(pairs: Iterable[tuple[str, str]], parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Values given as text (`-p NAME VALUE`), converted by the declared type; `001` stays text for a str.

    Raises ParameterError when the text is no value of that type.
    """
    types = {parameter.name: parameter.type for parameter in parameters}
    return {name: _from_text(name, text, types.get(name, "str")) for name, text in pairs}


def _from_text(name: str, text: str, declared_type: str) -> Any:
    if declared_type == "str":
        return text
    if declared_type == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return {"int": int, "float": float}.get(declared_type, yaml.safe_load)(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ParameterError(f"{name} must be {declared_type}", found=repr(text)) from error
