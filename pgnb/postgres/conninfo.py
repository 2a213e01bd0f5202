"""Connection strings (keyword = value), as in primary_conninfo and for libpq's tools."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgnb.core.secrecy import masked

_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+-]+\Z")
_PAIR = re.compile(r"(\w+)\s*=\s*('(?:\\.|[^'\\])*'?|(?:\\.|[^\s\\])*)", re.DOTALL)
_TELLING = ("host", "port", "user", "application_name", "passfile", "password", "sslmode")


def conninfo(parts: Mapping[str, str | int]) -> str:
    """Return `host=… port=…`, quoted as libpq requires (the manual, 32.1.1.1), without empty values."""
    return " ".join(f"{key}={quote(str(value))}" for key, value in parts.items() if str(value))


def parts_of(text: str) -> dict[str, str]:
    """Return the keywords and values of a connection string, unquoted; nothing from a URI."""
    return {key: _unquoted(value) for key, value in _PAIR.findall(text)} if "://" not in text else {}


def _unquoted(value: str) -> str:
    inner = value[1:].removesuffix("'") if value.startswith("'") else value
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def merged(text: str, desired: str) -> str:
    """Return a connection string with the values of `desired`; other values are kept.

    A password is left out (a passfile has it), and so is an address that would override the host.
    """
    kept = {key: value for key, value in parts_of(text).items() if key not in ("password", "hostaddr")}
    return conninfo(kept | parts_of(desired))


def quote(value: str) -> str:
    """Return a value quoted for libpq."""
    if _PLAIN.match(value):
        return value
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"


def shown(text: str) -> str:
    """Return where a receiver connects to, as which user, by which name; without a password."""
    pairs = _PAIR.findall(without_password(text))
    return " ".join(f"{key}={value}" for key, value in pairs if key in _TELLING)


def without_password(text: str) -> str:
    """Return the text with every secret's value masked."""
    return masked(text)
