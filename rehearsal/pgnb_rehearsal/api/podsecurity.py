"""Pod Security admission at the level `restricted`, for namespaces that are labelled so.

Source: the Pod Security Standards, and the texts of k8s.io/pod-security-admission. Other levels are not
enforced, and a workload's template is not warned of: only pods are refused, as the label `enforce` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import forbidden

LABEL = "pod-security.kubernetes.io/enforce"
_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_PROFILES = ("RuntimeDefault", "Localhost")


def check(resource: Resource, namespace: Object, pod: Object) -> None:
    """Refuse a pod that the namespace's level does not allow. StatusError 403."""
    if ((namespace.get("metadata") or {}).get("labels") or {}).get(LABEL) != "restricted":
        return
    if violations := list(_violations(pod["spec"])):
        text = f'violates PodSecurity "restricted:latest": {", ".join(violations)}'
        raise forbidden(resource, pod["metadata"].get("name", ""), text)


def _violations(spec: Object) -> Iterator[str]:
    containers: list[Object] = [*(spec.get("initContainers") or ()), *spec["containers"]]
    shared: Object = spec.get("securityContext") or {}
    if names := _failing(containers, lambda own: own.get("allowPrivilegeEscalation") is False):
        must = f"{names} must set securityContext.allowPrivilegeEscalation=false"
        yield f"allowPrivilegeEscalation != false ({must})"
    if names := _failing(containers, _drops_all):
        yield f'unrestricted capabilities ({names} must set securityContext.capabilities.drop=["ALL"])'
    yield from _volumes(spec)
    if names := _failing(containers, lambda own: _of(own, shared, "runAsNonRoot") is True):
        yield f"runAsNonRoot != true (pod or {names} must set securityContext.runAsNonRoot=true)"
    if names := _failing(containers, lambda own: own.get("runAsUser") != 0):
        yield f"runAsUser=0 ({names} must not set runAsUser=0)"
    if names := _failing(containers, lambda own: _profile(own, shared) in _PROFILES):
        must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        yield f"seccompProfile (pod or {names} {must})"


def _failing(containers: list[Object], fits: Callable[[Object], bool]) -> str:
    """The containers that do not fit, as the messages name them; empty when all do."""
    names = [f'"{c["name"]}"' for c in containers if not fits(c.get("securityContext") or {})]
    return f"container{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""


def _drops_all(own: Object) -> bool:
    return "ALL" in ((own.get("capabilities") or {}).get("drop") or ())


def _of(own: Object, shared: Object, key: str) -> Any:
    return own[key] if own.get(key) is not None else shared.get(key)


def _profile(own: Object, shared: Object) -> str:
    return str((_of(own, shared, "seccompProfile") or {}).get("type", ""))


def _volumes(spec: Object) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind not in _VOLUMES:
            used = f'volume "{volume["name"]}" uses restricted volume type "{kind}"'
            yield f"restricted volume types ({used})"
