"""Values that a pod can learn of itself: fieldRef and resourceFieldRef (downward API)."""

from __future__ import annotations

import re

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.quantities import divided

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


def field(pod: Object, path: str) -> str:
    """The text of a field such as `metadata.name`, `metadata.labels['app']` or `status.podIP`.

    KeyError for a path that the downward API does not offer.
    """
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return _pairs(metadata.get(path.removeprefix("metadata.")) or {})
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }
    return str(plain[path])


def _pairs(labels: Object) -> str:
    """Labels or annotations as a downwardAPI volume shows them: key="value", one a line."""
    quoted = ((key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in sorted(labels.items()))
    return "\n".join(f'{key}="{value}"' for key, value in quoted)


def resource_field(container: Object, reference: Object, allocatable: Object) -> str:
    """`limits.memory` and the like in units of the divisor; without a limit what the node has to give."""
    kind, _, resource = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    given = (resources.get(kind) or {}).get(resource)
    if given is None and kind == "limits":
        given = allocatable.get(resource)
    return divided(given or "0", reference.get("divisor") or "1")
