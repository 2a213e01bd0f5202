"""Names derived from a database's name: publication, subscription, slot; stable, short and valid."""

from __future__ import annotations

import re
from hashlib import sha256

LONGEST = 63
"""Bytes of a name (NAMEDATALEN - 1); the server would silently truncate a longer one."""
_SLOT = re.compile(r"[a-z0-9_]{1,63}\Z")
_NOT_IN_SLOT = re.compile(r"[^a-z0-9_]+")
_DIGEST = 8


def publication_name(database: str) -> str:
    """Return `pub_<database>`, shortened to 63 bytes with a digest at its end if longer.

    A backslash becomes _, with a digest: the subscriber would send the name as E'…', which the publisher's
    replication grammar rejects ("could not start WAL streaming: syntax error").
    """
    name = f"pub_{database}"
    return shortened(name) if "\\" not in name else _cut(name.replace("\\", "_"), name)


def temporary_publication_name(publication: str) -> str:
    """Return the name of the publication of all other tables, while one is resynchronised (12.9)."""
    return shortened(f"{publication}_resync")


def subscription_name(database: str) -> str:
    """Return `sub_<database>`, shortened to 63 bytes with a digest at its end if longer."""
    return shortened(f"sub_{database}")


def slot_name(subscription: str) -> str:
    """Return the subscription's own name if a slot may have it, else its permitted characters and a digest.

    A slot's name contains only a-z, 0-9 and _. The digest is of the whole name, so that `Sales` and `sales`
    get different slots, and the same name always gets the same.
    """
    if _SLOT.match(subscription):
        return subscription
    plain = _NOT_IN_SLOT.sub("_", subscription.lower()).strip("_") or "sub"
    return f"{plain[: LONGEST - _DIGEST - 1]}_{_digest(subscription)}"


def shortened(name: str) -> str:
    """Return the name, truncated to 63 bytes with a digest of the whole at its end if longer."""
    return name if len(name.encode()) <= LONGEST else _cut(name, name)


def _cut(name: str, whole: str) -> str:
    kept = name.encode()[: LONGEST - _DIGEST - 1].decode(errors="ignore")
    return f"{kept}_{_digest(whole)}"


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:_DIGEST]
