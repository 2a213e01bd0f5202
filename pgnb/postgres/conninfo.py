"""Connection texts (keyword = value), as primary_conninfo and libpq's tools take them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgnb.core.secrecy import masked

_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+-]+\Z")
_PAIR = re.compile(r"(\w+)\s*=\s*('(?:\\.|[^'\\])*'?|(?:\\.|[^\s\\])*)", re.DOTALL)
_TELLING = ("host", "port", "user", "application_name", "passfile", "password", "sslmode")


def conninfo(parts: Mapping[str, str | int]) -> str:
    """`host=… port=…`, with quotes where libpq needs them (the manual, 32.1.1.1); empty values left out."""
    return " ".join(f"{key}={quote(str(value))}" for key, value in parts.items() if str(value))


def parts_of(text: str) -> dict[str, str]:
    """What a connection's text says, unquoted; nothing from a URI."""
    return {key: _unquoted(value) for key, value in _PAIR.findall(text)} if "://" not in text else {}


def _unquoted(value: str) -> str:
    inner = value[1:].removesuffix("'") if value.startswith("'") else value
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def merged(text: str, desired: str) -> str:
    """A connection led elsewhere: what `wished` says, and of the former text whatever else it said.

    A password is left out (a passfile has it), and so is an address that would win over the host.
    """
    kept = {key: value for key, value in parts_of(text).items() if key not in ("password", "hostaddr")}
    return conninfo(kept | parts_of(desired))


def quote(value: str) -> str:
    """A value as libpq reads it back."""
    if _PLAIN.match(value):
        return value
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"


def shown(text: str) -> str:
    """What a reader wants of a receiver's connection: where, as whom, under which name; no password."""
    pairs = _PAIR.findall(without_password(text))
    return " ".join(f"{key}={value}" for key, value in pairs if key in _TELLING)


def without_password(text: str) -> str:
    """The same text with every secret's value blanked, wherever it came from."""
    return masked(text)
