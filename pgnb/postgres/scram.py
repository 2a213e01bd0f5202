"""Compute SCRAM-SHA-256 verifiers, which a server stores instead of a password.

Source: RFC 5802 and 7677, SASLprep of RFC 4013, and src/common/scram-common.c.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata

ITERATIONS = 4096
"""PostgreSQL's default."""
_SALT_BYTES = 16
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(?P<count>\d+):(?P<salt>[^$]+)\$(?P<stored>[^:]+):(?P<server>.+)\Z")


def verifier_of(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return the verifier for CREATE ROLE … PASSWORD, which then has no password in it."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def verifies(verifier: str, password: str) -> bool:
    """Return whether a verifier matches a password; False for an md5 hash and any other text."""
    match = _VERIFIER.match(verifier)
    if match is None:
        return False
    again = verifier_of(password, salt=base64.b64decode(match["salt"]), iterations=int(match["count"]))
    return hmac.compare_digest(again, verifier)


def saslprep(password: str) -> str:
    """Return the normal form of a password; unchanged if it has prohibited characters, as in the server."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    return password if _prohibited(normal) else normal


def _prohibited(text: str) -> bool:
    tables = (
        stringprep.in_table_a1,
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    if not text or any(table(char) for char in text for table in tables):
        return True
    right_to_left = [stringprep.in_table_d1(char) for char in text]
    if not any(right_to_left):
        return False
    mixed = any(stringprep.in_table_d2(char) for char in text)
    return mixed or not (right_to_left[0] and right_to_left[-1])


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
