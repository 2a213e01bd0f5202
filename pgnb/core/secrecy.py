"""Remove secrets from texts: everything shown, journalled or raised passes through `masked`.

Recognized are: passwords and keys of connection texts (libpq's keywords and URIs), of environment variables,
options and settings, SQL's PASSWORD with every kind of literal, SCRAM and md5 verifiers, and an environment
variable's value in a manifest. A reference (secret:NAME/KEY) and a passfile's path are no secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "********"
_KEY = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|ssl_passphrase_command|token|api_?key"
    r"|(?:client|jwt|app|api|auth|cookie|session|signing|shared)_?secret|secret_?(?:access_?)?key|private_?key|storage_?key|libsodium_?key|scram_(?:client|server)_key)"
)
# A value as libpq, a shell, postgresql.conf or an SQL literal around it may quote it; the last is libpq's
# unquoted form, in which a quote is a character and a backslash escapes a space.
_VALUE = (
    r"''(?=[^\s'])(?:[^'\\]|\\+''|\\+[^'\\]|'{4})*''|\\'.*?\\'|'(?:\\.|''|[^'\\])*'?"
    r"|\"(?:\\.|[^\"\\])*\"|(?:\\+.|[^\s\\])*"
)
_ASSIGNED = re.compile(rf"(?P<key>{_KEY}\"?\s*=\s*)(?P<value>{_VALUE})", re.IGNORECASE | re.DOTALL)
_OPTION = re.compile(r"(--(?:password|passphrase|token|secret-key)\s+)(?!\*{8})[^\s-]\S*", re.IGNORECASE)
_URI = re.compile(r"(\w://[^\s/:@'\"]*:)[^\s/'\"]*@")
_SQL = re.compile(
    r"(\bPASSWORD\s+)(?:E'(?:\\.|''|[^'\\])*'?|(?:U&)?'(?:''|[^'])*'?|\$(\w*)\$.*?(?:\$\2\$|\Z))",
    re.IGNORECASE | re.DOTALL,
)
_VERIFIER = re.compile(r"SCRAM-SHA-256\$\d[^\s'\"]*|\bmd5[0-9a-f]{32}\b", re.IGNORECASE)
_IN_MANIFEST = re.compile(
    rf"(?P<key>\bname:\s*[\"']?{_KEY}[\"']?\s*\n[ +-]*value:[ ]*)(?P<value>[^\n]+)", re.IGNORECASE
)
_NAMED = re.compile(_KEY, re.IGNORECASE)
_HINT = re.compile(r"passw|passphrase|token|key|secret|://|scram-|md5", re.IGNORECASE)


def masked(text: str) -> str:
    """Return the text with every secret's value masked; a text without a secret is unchanged."""
    if not _HINT.search(text):
        return text
    text = _SQL.sub(r"\1'***'", text)
    text = _VERIFIER.sub("***", text)
    text = _URI.sub(rf"\1{MASK}@", text)
    text = _IN_MANIFEST.sub(_blanked, text)
    text = _OPTION.sub(rf"\1{MASK}", text)
    return _ASSIGNED.sub(_blanked, text)


def _blanked(found: re.Match[str]) -> str:
    """Return the key with its value masked, unless the value is empty or masked already."""
    inner = found["value"].strip("'\"\\")
    return found["key"] + MASK if inner and not inner.startswith(MASK) else found[0]


def masked_setting(name: str, value: str) -> str:
    """Return a setting's value for display, masked as a whole if the name is that of a secret."""
    return MASK if value and _NAMED.fullmatch(name) else masked(value)


def without_secrets(value: Any) -> Any:
    """Return the value with every text masked; in a mapping by its key, as for settings."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {
            key: masked_setting(str(key), item) if isinstance(item, str) else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value
