"""What a pod as a whole asks for: its containers together, or an init container where that needs more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb_rehearsal.quantities import Amounts, added, amounts, largest


def effective(spec: Mapping[str, Any], kind: str) -> Amounts:
    """The pod's `requests` or `limits` (kubernetes, component-helpers/resource).

    Init containers run one after the other, before the containers; those with `restartPolicy: Always` go on
    beside whatever comes after them.
    """
    running = added(_of(container, kind) for container in spec.get("containers") or ())
    beside: Amounts = {}
    first: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = added([beside, _of(container, kind)])
        if container.get("restartPolicy") == "Always":
            beside = own
            running = added([running, _of(container, kind)])
        first = largest(first, own)
    return largest(running, first)


def _of(container: Mapping[str, Any], kind: str) -> Amounts:
    return amounts((container.get("resources") or {}).get(kind))
