"""The text of pg_hba.conf: its rules in order, and a managed block where it takes effect. Pure text.

The first rule that matches a connection decides, so an appended rule may never be reached. Source:
PostgreSQL's manual, "The pg_hba.conf File".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.hbarule import Client, HbaRule

BEGIN = "# BEGIN pgnb: these rules stand before those that would answer for them (the first match wins)"
END = "# END pgnb"
_PART = re.compile(r'"(?:[^"]|"")*"|[^\s,#"]+|,|#.*')
_INCLUDES = ("include", "include_if_exists", "include_dir")


@dataclass(frozen=True)
class Placed:
    """A rule at a line, from 1; `rule` is None for an include directive, whose rules are in another file."""

    number: int
    rule: HbaRule | None
    raw: str = ""


def rules_of(text: str) -> list[Placed]:
    """Return every rule and include of a text, in order. Raises ParameterError for any other line."""
    found = [(number, _fields(raw), raw) for number, raw in enumerate(text.splitlines(), 1)]
    return [_placed(number, fields, raw.strip()) for number, fields, raw in found if fields]


def with_rules(text: str, desired: Sequence[HbaRule]) -> str:
    """Return the text in which each desired rule decides for the connections that it describes.

    A text that already does this is returned unchanged. Otherwise the managed block is rewritten, before the
    first rule that would decide for one of them, or at the end. Raises ParameterError if a rejecting rule
    comes before it, because that was intended by somebody.
    """
    if all(_decides(text, rule) for rule in desired):
        return text
    ours = [*(p.rule for p in rules_of(_block_of(text)) if p.rule), *desired]
    rest = _without_block(text)
    block = "\n".join([BEGIN, *dict.fromkeys(rule.line for rule in ours), END])
    lines = rest.splitlines()
    place = _place(rules_of(rest), desired, len(lines))
    return "\n".join([*lines[:place], block, *lines[place:]]) + "\n"


def decided_by(text: str, client: Client) -> HbaRule | None:
    """Return the first rule of a text that matches a client for sure.

    None if no rule does, or an include comes first.
    """
    for placed in rules_of(text):
        if placed.rule is None:
            return None
        if placed.rule.matches(client):
            return placed.rule
    return None


def _decides(text: str, desired: HbaRule) -> bool:
    """Return whether a covering rule exists, and no rule before it could decide otherwise."""
    for placed in rules_of(text):
        if placed.rule is not None and placed.rule.covers(desired):
            return True
        if placed.rule is None or placed.rule.overlaps(desired):
            return False
    return False


def _place(standing: Iterable[Placed], desired: Sequence[HbaRule], end: int) -> int:
    """Return the index of the line before which the block is inserted."""
    for placed in standing:
        if placed.rule is None:
            return placed.number - 1
        shadowed = [rule for rule in desired if placed.rule.overlaps(rule)]
        if shadowed and placed.rule.method == "reject":
            raise ParameterError(
                "pg_hba.conf rejects what a new rule is to admit",
                found=f"line {placed.number}: {placed.raw}; desired: {shadowed[0].line}",
                remedy="Remove or narrow the rejecting rule first; pgnb inserts no rule before it.",
            )
        if shadowed:
            return placed.number - 1
    return end


def _block_of(text: str) -> str:
    lines = text.splitlines()
    if BEGIN not in lines or END not in lines:
        return ""
    return "\n".join(lines[lines.index(BEGIN) + 1 : lines.index(END)])


def _without_block(text: str) -> str:
    lines = text.splitlines()
    if BEGIN not in lines or END not in lines:
        return text
    del lines[lines.index(BEGIN) : lines.index(END) + 1]
    return "\n".join(lines) + "\n"


def _fields(raw: str) -> list[list[str]]:
    """Return a line as fields, each a list of the parts between commas; quotes are kept."""
    fields: list[list[str]] = []
    after_comma = False
    for part in _PART.findall(raw):
        if part.startswith("#"):
            break
        if part != ",":
            if after_comma and fields:
                fields[-1].append(part)
            else:
                fields.append([part])
        after_comma = part == ","
    return fields


def _placed(number: int, fields: list[list[str]], raw: str) -> Placed:
    kind = fields[0][0].lower()
    if kind in _INCLUDES:
        return Placed(number, None, raw)
    if kind != "local" and len(fields) > 5 and _is_address(fields[4][0]) and "/" not in fields[3][0]:
        # The older form, with the mask in its own column.
        fields = [*fields[:3], [str(ip_network(f"{fields[3][0]}/{fields[4][0]}", strict=False))], *fields[5:]]
    wanted = 4 if kind == "local" else 5
    if len(fields) < wanted:
        raise ParameterError("a line of pg_hba.conf has too few fields", found=f"line {number}: {raw}")
    address = "" if kind == "local" else fields[3][0]
    method, *options = fields[wanted - 1 :]
    rule = HbaRule(
        kind,
        ",".join(fields[1]),
        ",".join(fields[2]),
        address,
        method[0],
        " ".join(option[0] for option in options),
    )
    return Placed(number, rule, raw)


def _is_address(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", text) is not None
