"""Values of settings: validated by pg_settings, and compared in any unit.

Source of the rules: PostgreSQL's manual, section "Parameter Names and Values", and the columns unit, vartype,
enumvals, min_val and max_val of pg_settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgnb.core.errors import ParameterError
from pgnb.postgres.rows import Row

Wanted = str | int | float | bool

_MEMORY = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_TIME = {"us": 1, "ms": 1000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_QUANTITY = re.compile(r"\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[A-Za-z]*)\s*\Z")
_AT_LEAST = re.compile(r"\s*(?:>=|at\s+least\b)\s*(?P<value>.*)", re.IGNORECASE | re.DOTALL)
_OTHER_BASE = re.compile(r"0([0-7]+|[xX][0-9A-Fa-f]+)\Z")
_BASE = re.compile(r"(?P<count>\d*)(?P<unit>[A-Za-z]+)\Z")
_TRUE = {"on", "true", "yes", "1"}
_FALSE = {"off", "false", "no", "0"}


@dataclass(frozen=True)
class SettingRequirement:
    """A desired value: `text` as it will be written, `value` in the unit of pg_settings.

    A `minimum` is met by any value that is not below it, and by -1, which means no limit.
    """

    text: str
    value: str
    minimum: bool = False

    def __str__(self) -> str:
        return f">= {self.text}" if self.minimum else self.text

    def accepts(self, row: Row, value: str) -> bool:
        """Return whether a value, in the unit of pg_settings, meets the requirement."""
        if same(row, self.value, value):
            return True
        return self.minimum and (value == "-1" or _rank(row, value) > _rank(row, self.value))


def normalise(row: Row, wanted: Wanted) -> SettingRequirement:
    """Return a desired value, validated by a row of pg_settings; ">= 10" and "at least 10" are a minimum.

    Raises ParameterError with what the setting accepts.
    """
    if isinstance(wanted, str) and (least := _AT_LEAST.match(wanted)):
        return _minimum(row, least["value"].strip())
    kinds = {"bool": _bool, "enum": _enum, "integer": _number, "real": _number, "string": _string}
    return kinds[row["vartype"]](row, wanted)


def same(row: Row, one: str, other: str) -> bool:
    """Return whether two values mean the same to that setting."""
    if row["vartype"] in ("integer", "real"):
        return _plain(one) == _plain(other)
    if row["vartype"] == "string":
        return _items(one) == _items(other)
    return one.lower() == other.lower()


def value_of(row: Row, text: str) -> str:
    """Return a value of a file in the setting's own unit; unchanged if the server would refuse it."""
    try:
        return normalise(row, text).value
    except ParameterError:
        return text


def quoted(text: str) -> str:
    """Return a value in quotes, as postgresql.conf accepts every value."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _minimum(row: Row, wanted: str) -> SettingRequirement:
    if row["vartype"] not in ("integer", "real", "enum"):
        raise _refused(row, f">= {wanted}", "one value, not a minimum")
    exact = normalise(row, wanted)
    return SettingRequirement(exact.text, exact.value, minimum=True)


def _rank(row: Row, value: str) -> float:
    """Return the rank of a value; of an enum by its order in pg_settings (wal_level)."""
    return float(row["enumvals"].index(value) if row["vartype"] == "enum" else _plain(value))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _bool(row: Row, wanted: Wanted) -> SettingRequirement:
    text = ("on" if wanted else "off") if isinstance(wanted, bool) else str(wanted).strip().lower()
    if text in _TRUE:
        return SettingRequirement("on", "on")
    if text in _FALSE:
        return SettingRequirement("off", "off")
    raise _refused(row, wanted, "on or off")


def _enum(row: Row, wanted: Wanted) -> SettingRequirement:
    text = ("on" if wanted else "off") if isinstance(wanted, bool) else str(wanted).strip()
    for accepted in row["enumvals"]:
        if accepted.lower() == text.lower():
            return SettingRequirement(accepted, accepted)
    raise _refused(row, wanted, ", ".join(row["enumvals"]))


def _string(row: Row, wanted: Wanted) -> SettingRequirement:
    if isinstance(wanted, bool):
        raise _refused(row, wanted, "a text; put it in quotes in YAML")
    text = str(wanted)
    if "\n" in text or "\r" in text or "\0" in text:
        raise _refused(row, wanted, "a text of one line")
    return SettingRequirement(text, text)


def _number(row: Row, wanted: Wanted) -> SettingRequirement:
    if row["vartype"] == "integer" and _OTHER_BASE.match(str(wanted)):
        wanted = int(_plain(str(wanted)))
    match = None if isinstance(wanted, bool) else _QUANTITY.match(str(wanted))
    if match is None:
        raise _refused(row, wanted, _range(row))
    value = _in_own_unit(row, wanted, float(match["number"]), match["unit"])
    if row["vartype"] == "integer":
        if not match["unit"] and not value.is_integer():
            raise _refused(row, wanted, _range(row))
        value = float(round(value))
    if not float(row["min_val"]) <= value <= float(row["max_val"]):
        raise _refused(row, wanted, _range(row))
    text = str(int(value)) if row["vartype"] == "integer" else repr(value)
    return SettingRequirement("".join(str(wanted).split()), text)


def _plain(text: str) -> float:
    """Return a number without a unit; integers may be octal (file modes) or hexadecimal, as in C."""
    if match := _OTHER_BASE.match(text):
        return int(match[1], 8) if match[1][0] not in "xX" else int(text, 16)
    return float(text)


def _in_own_unit(row: Row, wanted: Wanted, number: float, unit: str) -> float:
    if not unit:
        return number
    base = _BASE.match(row["unit"] or "")
    for units in (_MEMORY, _TIME):
        if base and base["unit"] in units:
            if unit not in units:
                raise _refused(row, wanted, f"one of the units {', '.join(units)}")
            return number * units[unit] / (units[base["unit"]] * int(base["count"] or 1))
    raise _refused(row, wanted, "a number without a unit")


def _range(row: Row) -> str:
    unit = f", in units of {row['unit']} where none is written" if row["unit"] else ""
    kind = "an integer" if row["vartype"] == "integer" else "a number"
    return f"{kind} from {row['min_val']} to {row['max_val']}{unit}"


def _refused(row: Row, wanted: Wanted, accepted: str) -> ParameterError:
    return ParameterError(
        f"{row['name']} cannot be set to {wanted!r}",
        found=f"it is of type {row['vartype']}",
        remedy=f"It accepts {accepted}.",
    )
