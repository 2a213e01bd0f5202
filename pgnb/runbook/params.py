"""A notebook's parameters: what it declares, and a file's or a command line's values held against that.

papermill itself enforces no types and only warns about unknown names, and YAML 1.1 turns `off` into False;
so values are checked here, before a kernel starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.core.translation import LANGUAGES
from pgnb.runbook.declaration import Parameter, parse
from pgnb.runbook.plainyaml import load_plain
from pgnb.runbook.renamed import current_name, with_current_names
from pgnb.runbook.values import check_values, is_secret_name, refuse_secret

TAG = "parameters"
LARGEST_FILE = 1_000_000
"""Bytes; a file of parameters has a few thousand."""


def declared(notebook: Path) -> tuple[Parameter, ...]:
    """Return the parameters that a notebook declares in its cell tagged `parameters`.

    Raises ParameterError when the file is no notebook, or the cell is missing or not plain assignments.
    """
    try:
        changed = notebook.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _declared(notebook, changed)


@lru_cache(maxsize=64)
def _declared(notebook: Path, _changed: int) -> tuple[Parameter, ...]:
    """A fleet asks for the same notebooks once a target."""
    source = _parameters_cell(notebook)
    try:
        return parse(source)
    except (SyntaxError, ValueError) as error:
        raise ParameterError(
            f"{notebook.name}: its parameters cell can't be read",
            found=str(error),
            remedy="Keep it to lines of the form `name: type = literal  # help`.",
        ) from error


def _parameters_cell(notebook: Path) -> str:
    try:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        tagged = [cell["source"] for cell in cells if TAG in cell["metadata"].get("tags", ())]
    except FileNotFoundError as error:
        raise ParameterError(f"there is no notebook {notebook}") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ParameterError(f"{notebook} is not a notebook", found=str(error)) from error
    if tagged:
        return "".join(tagged[0])
    raise ParameterError(f"{notebook.name} has no cell tagged `{TAG}`")


def read_file(path: Path) -> dict[str, Any]:
    """Return the values of a YAML file as papermill would read them: one mapping of names to values.

    Raises ParameterError when it is not there, too large, not UTF-8, not plain YAML (see `load_plain`), or
    not such a mapping.
    """
    content = load_plain(_text(path), str(path))
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ParameterError(
            f"{path}: is not one mapping of parameter names to values",
            found=type(content).__name__,
            remedy="Write one `name: value` a line.",
        )
    return content


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read", found=error.strerror or str(error)) from error
    if len(raw) > LARGEST_FILE:
        raise ParameterError(f"{path}: is larger than {LARGEST_FILE:,} bytes", remedy="Name the right file.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{path}: is not UTF-8", found=str(error), remedy="Save it as UTF-8 (iconv -t UTF-8)."
        ) from error


def take_language(given: dict[str, Any]) -> str:
    """Take the language of checks and gates out of a file's values; "" for that of the environment.

    Raises ParameterError for a language that is not known.
    """
    language = given.pop("language", "")
    if language not in ("", *LANGUAGES):
        raise ParameterError(
            f"language cannot be {language!r}", remedy=f"It is one of {', '.join(LANGUAGES)}."
        )
    return str(language)


def validate(
    notebook: Path, values: Mapping[str, Any], known_elsewhere: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the values that this notebook takes, each of the declared type and form.

    An old name of a parameter is taken (see `renamed`). A name that only other notebooks declare
    (`known_elsewhere`) is left out silently. Raises ParameterError for an unknown name, and as `check_values`
    does.
    """
    parameters = declared(notebook)
    names, others = {p.name for p in parameters}, set(known_elsewhere)
    taken = with_current_names(values, names)
    for name, value in taken.items():
        if name not in names and current_name(name, others) not in others:
            raise unknown(name, notebook.name, parameters, [*names, *others])
        if name not in names:
            _refuse_secret_elsewhere(name, value)
    return check_values(parameters, {name: value for name, value in taken.items() if name in names})


def _refuse_secret_elsewhere(name: str, value: Any) -> None:
    if not name.endswith(("_from", "_selector")):
        refuse_secret(name, value)


def unknown(
    name: str, notebook: str, parameters: Iterable[Parameter], names: Sequence[str]
) -> ParameterError:
    """Return the refusal of a name that is none of `names`, with those that it may have been meant for."""
    message = f"{notebook} has no parameter {name!r}"
    places = [p.name for p in parameters if p.name.endswith("_password_from")]
    if is_secret_name(name) and places:
        return ParameterError(
            f"{message}: a parameter is never a password",
            remedy=f"Say where it is kept, as {places[0]}: secret:NAME/KEY.",
        )
    near = get_close_matches(name, sorted(set(names)), 3)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"It takes {', '.join(sorted(set(names)))}."
    return ParameterError(message, remedy=remedy)


def from_command_line(pairs: Iterable[tuple[str, str]], parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Return values given as text (`-p NAME VALUE`), converted by the declared type; a str stays as it is.

    A text that is no value of that type stays text, for `validate` to refuse. Raises ParameterError for what
    is no YAML where a list or mapping is declared.
    """
    types = {parameter.name: parameter.type for parameter in parameters}
    return {name: _from_text(name, text, types.get(current_name(name, types), "str")) for name, text in pairs}


def _from_text(name: str, text: str, declared_type: str) -> Any:
    if declared_type == "str":
        return text
    if declared_type == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    if declared_type not in ("int", "float"):
        return load_plain(text, name)
    try:
        return int(text) if declared_type == "int" else float(text)
    except ValueError:
        return text
