"""The text of postgresql.conf: parsed, and changed in as few lines as possible. Pure text, no server.

Grammar: PostgreSQL's manual, "Parameter Interaction via the Configuration File" (a later line wins, names
ignore case, `=` is optional, values may be quoted, `#` begins a comment).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.values import quoted

MANAGED_FILE = "pgnb.conf"
_HEADER = (
    "# Written by pgnb. Included at the end of postgresql.conf, so that it wins over the lines there;\n"
    "# postgresql.auto.conf (ALTER SYSTEM) and the command line win over it.\n"
)
_INCLUDE = f"include_if_exists = '{MANAGED_FILE}'"
_INCLUDE_COMMENT = "# Settings that pgnb manages; this line belongs at the end."
_DIRECTIVES = ("include", "include_if_exists", "include_dir")
_LINE = re.compile(
    r"""^\s*(?P<name>[A-Za-z_][A-Za-z0-9_$.]*)\s*(?:=\s*|\s+)
        (?P<value>'(?:[^'\\\n]|''|\\.)*'|[^\s#']+)
        \s*(?P<comment>\#.*)?$""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Line:
    """One effective line: its number from 1, the name in lower case and the value without its quotes."""

    number: int
    name: str
    value: str
    comment: str = ""

    @property
    def directive(self) -> bool:
        """Whether it includes another file instead of setting something."""
        return self.name in _DIRECTIVES


def effective_lines(text: str) -> list[Line]:
    """Return every effective line, in order.

    Raises ParameterError, with the line's number, for a line that the server would not understand.
    """
    return [_line(number, raw) for number, raw in enumerate(text.splitlines(), 1) if _says_something(raw)]


def settings_of(text: str) -> dict[str, str]:
    """Return what a text sets for the server: the last line of a name wins; includes are left out."""
    return {line.name: line.value for line in effective_lines(text) if not line.directive}


def with_settings(text: str, desired: Mapping[str, str]) -> str:
    """Return the text with these values; lines that already have them, and all other lines, are kept."""
    lines = text.splitlines()
    last = {line.name: line for line in effective_lines(text)}
    for name, value in desired.items():
        standing = last.get(name.lower())
        if standing is None:
            lines.append(f"{name} = {quoted(value)}")
        elif standing.value != value:
            comment = f"  {standing.comment}" if standing.comment else ""
            lines[standing.number - 1] = f"{name} = {quoted(value)}{comment}"
    return _joined(lines)


def without(text: str, names: Iterable[str]) -> str:
    """Return the text without the lines that set these names; all other lines are kept."""
    unwanted = {name.lower() for name in names}
    gone = {line.number for line in effective_lines(text) if line.name in unwanted}
    return _joined([raw for number, raw in enumerate(text.splitlines(), 1) if number not in gone])


def with_managed_settings(text: str, desired: Mapping[str, str]) -> str:
    """Return the managed file with these values; a new one begins with its header."""
    return with_settings(text or _HEADER, desired)


def with_include(text: str, names: frozenset[str]) -> str:
    """Return the main file with an include of the managed file at its end.

    An existing include is moved only if a line below it sets one of `names`.
    """
    lines = effective_lines(text)
    include = [line for line in lines if line.directive and line.value == MANAGED_FILE]
    if include and not any(line.name in names for line in lines if line.number > include[-1].number):
        return text
    gone = {line.number for line in include}
    kept = [
        raw
        for number, raw in enumerate(text.splitlines(), 1)
        if number not in gone and raw != _INCLUDE_COMMENT
    ]
    return _joined([*kept, _INCLUDE_COMMENT, _INCLUDE])


def _says_something(raw: str) -> bool:
    return bool(raw.strip()) and not raw.lstrip().startswith("#")


def _line(number: int, raw: str) -> Line:
    match = _LINE.match(raw)
    if match is None:
        raise ParameterError(
            "PostgreSQL would not understand a line of a configuration file",
            found=f"line {number}: {raw.strip()[:80]}",
            remedy="Write name = value, with the value in single quotes if it has other"
            " characters than letters, digits and dots.",
        )
    return Line(number, match["name"].lower(), _unquoted(match["value"]), match["comment"] or "")


def _unquoted(value: str) -> str:
    if not value.startswith("'"):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1].replace("''", "'"))


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n" if lines else ""
