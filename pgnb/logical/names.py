"""Names that are derived from a database's: publication, subscription, slot; stable, short enough, and free
of what a slot's name may not hold."""

from __future__ import annotations

import re
from hashlib import sha256

LONGEST = 63
"""Bytes of a name (NAMEDATALEN - 1); the server would cut a longer one silently."""
_SLOT = re.compile(r"[a-z0-9_]{1,63}\Z")
_NOT_IN_SLOT = re.compile(r"[^a-z0-9_]+")
_DIGEST = 8


def publication_name(database: str) -> str:
    """`pub_<database>`, shortened to 63 bytes with a digest at its end where it would be longer.

    A backslash becomes _, with a digest: the subscriber would send the name as E'…', which the publisher's
    replication grammar refuses ("could not start WAL streaming: syntax error").
    """
    name = f"pub_{database}"
    return shortened(name) if "\\" not in name else _cut(name.replace("\\", "_"), name)


def temporary_publication_name(publication: str) -> str:
    """The publication of every other table, while one is copied anew (12.9, the remedy resync)."""
    return shortened(f"{publication}_resync")


def subscription_name(database: str) -> str:
    """`sub_<database>`, shortened to 63 bytes with a digest at its end where it would be longer."""
    return shortened(f"sub_{database}")


def slot_name(subscription: str) -> str:
    """The subscription's own name where a slot may have it, else what is allowed of it and a digest.

    A slot's name holds a-z, 0-9 and _ only. The digest is of the whole name, so that `Sales` and `sales`
    get different slots, and the same name always gets the same.
    """
    if _SLOT.match(subscription):
        return subscription
    plain = _NOT_IN_SLOT.sub("_", subscription.lower()).strip("_") or "sub"
    return f"{plain[: LONGEST - _DIGEST - 1]}_{_digest(subscription)}"


def shortened(name: str) -> str:
    """The name, cut to 63 bytes with a digest of the whole at its end where it is longer."""
    return name if len(name.encode()) <= LONGEST else _cut(name, name)


def _cut(name: str, whole: str) -> str:
    kept = name.encode()[: LONGEST - _DIGEST - 1].decode(errors="ignore")
    return f"{kept}_{_digest(whole)}"


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:_DIGEST]
