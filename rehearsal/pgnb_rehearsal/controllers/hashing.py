"""Hashes of pod templates, written in the alphabet that Kubernetes uses for them."""

from __future__ import annotations

import json
from typing import Any

_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Any, collisions: int | None = None) -> str:
    """FNV-1a (32 bits) of the canonical JSON of `template`, its decimal digits in the safe alphabet.

    `collisions` is the owner's `status.collisionCount`; it changes the hash after a name was found taken.
    The value differs from Kubernetes', which hashes Go's own dump of the struct; its use does not.
    """
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    if collisions is not None:
        text += str(collisions)
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(value))
