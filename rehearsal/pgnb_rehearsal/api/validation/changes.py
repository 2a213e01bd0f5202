"""What may not change in an object that is there."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from typing import Any

from pgnb_rehearsal.api.objects import Object, copied, lookup
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import FieldError, forbidden_value, invalid_value

_IMMUTABLE = "field is immutable"
_POD_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
    "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)
_STATEFUL_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_JOB_FIXED = (
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")
_DESCRIPTION = ("labels", "annotations")


def change_errors(resource: Resource, old: Object, new: Object) -> list[FieldError]:
    """What is wrong with the change from the old object to the new one."""
    rules = _RULES.get(resource.plural)
    return rules(old, new) if rules is not None else []


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _fixed(old: Object, new: Object, *path: str) -> list[FieldError]:
    before, after = lookup(old, *path), lookup(new, *path)
    if before == after:
        return []
    return [invalid_value(".".join(path), _shown(after), _IMMUTABLE)]


def _data(old: Object, new: Object) -> list[FieldError]:
    """ConfigMaps and Secrets that are immutable."""
    if not old.get("immutable"):
        return []
    text = "field is immutable when `immutable` is set"
    errors = [] if new.get("immutable") else [forbidden_value("immutable", text)]
    changed = [key for key in ("data", "binaryData") if old.get(key) != new.get(key)]
    return errors + [forbidden_value(key, text) for key in changed]


def _secret(old: Object, new: Object) -> list[FieldError]:
    return [*_fixed(old, new, "type"), *_data(old, new)]


def _service(old: Object, new: Object) -> list[FieldError]:
    before, after = lookup(old, "spec", "clusterIP"), lookup(new, "spec", "clusterIP")
    if not before or before == after or lookup(new, "spec", "type") == "ExternalName":
        return []
    shown = _shown(lookup(new, "spec", "clusterIPs"))
    return [invalid_value("spec.clusterIPs[0]", shown, "may not change once set")]


def _selector(old: Object, new: Object) -> list[FieldError]:
    return _fixed(old, new, "spec", "selector")


def _stateful_set(old: Object, new: Object) -> list[FieldError]:
    def rest(obj: Object) -> Object:
        return {key: value for key, value in obj["spec"].items() if key not in _STATEFUL_CHANGEABLE}

    if rest(old) == rest(new):
        return []
    names = ", ".join(f"'{name}'" for name in _STATEFUL_CHANGEABLE[:-1])
    text = (
        f"updates to statefulset spec for fields other than {names} and '{_STATEFUL_CHANGEABLE[-1]}' "
        "are forbidden"
    )
    return [forbidden_value("spec", text)]


def _job(old: Object, new: Object) -> list[FieldError]:
    return [
        *_job_completions(old, new),
        *_fixed(old, new, "spec", "selector"),
        *_job_template(old, new),
        *(error for key in _JOB_FIXED for error in _fixed(old, new, "spec", key)),
    ]


def _job_completions(old: Object, new: Object) -> list[FieldError]:
    """Completions are fixed unless the job is indexed and parallelism follows them."""
    before, after = lookup(old, "spec", "completions"), lookup(new, "spec", "completions")
    if lookup(new, "spec", "completionMode") != "Indexed":
        return _fixed(old, new, "spec", "completions")
    if after in (None, before) or after == lookup(new, "spec", "parallelism"):
        return []
    text = "can only be modified in tandem with spec.parallelism"
    return [invalid_value("spec.completions", str(after), text)]


def _job_template(old: Object, new: Object) -> list[FieldError]:
    """A suspended job without active pods can be given other resources and another place to run at."""
    if not _is_at_rest(old):
        return _fixed(old, new, "spec", "template")
    before, after = _immovable(old["spec"]["template"]), _immovable(new["spec"]["template"])
    if before == after:
        return []
    return [invalid_value("spec.template", _shown(new["spec"]["template"]), _IMMUTABLE)]


def _is_at_rest(job: Object) -> bool:
    """Suspended, and either never started or with all pods ended."""
    status = job.get("status") or {}
    if not lookup(job, "spec", "suspend") or status.get("active"):
        return False
    conditions = status.get("conditions") or ()
    suspended = any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)
    return suspended or not status.get("startTime")


def _immovable(template: Object) -> Object:
    """What may not change in the template of a job at rest."""
    fixed: Object = copied(template)
    for key in _DESCRIPTION:
        (fixed.get("metadata") or {}).pop(key, None)
    for key in _SCHEDULING:
        fixed["spec"].pop(key, None)
    affinity = fixed["spec"].pop("affinity", None) or {}
    affinity.pop("nodeAffinity", None)
    containers = (*(fixed["spec"].get("initContainers") or ()), *(fixed["spec"].get("containers") or ()))
    for container in containers:
        container.pop("resources", None)
    return {**fixed, "affinity": affinity}


def _pod(old: Object, new: Object) -> list[FieldError]:
    before, after = _pod_fixed(old["spec"]), _pod_fixed(new["spec"])
    kept = lookup(old, "spec", "tolerations") or []
    added_only = all(item in (lookup(new, "spec", "tolerations") or []) for item in kept)
    if before == after and added_only:
        return []
    return [forbidden_value("spec", f"{_POD_TEXT}\n{_difference(old['spec'], new['spec'])}")]


def _pod_fixed(spec: Object) -> Object:
    fixed: Object = copied(spec)
    for key in ("activeDeadlineSeconds", "tolerations"):
        fixed.pop(key, None)
    for container in (*(fixed.get("containers") or ()), *(fixed.get("initContainers") or ())):
        container.pop("image", None)
    return fixed


def _difference(old: Object, new: Object) -> str:
    before, after = (json.dumps(spec, indent=1, sort_keys=True).splitlines() for spec in (old, new))
    lines = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    return "\n".join(lines) + "\n"


def _claim(old: Object, new: Object) -> list[FieldError]:
    """A claim can be bound once, and grow; everything else stays."""

    def rest(obj: Object) -> Object:
        spec: Object = copied(obj["spec"])
        for key in ("resources", "volumeAttributesClassName"):
            spec.pop(key, None)
        if not lookup(old, "spec", "volumeName"):
            spec.pop("volumeName", None)
        return spec

    if rest(old) == rest(new):
        return []
    text = (
        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
        "claims"
    )
    return [forbidden_value("spec", f"{text}\n{_difference(old['spec'], new['spec'])}")]


def _quota(old: Object, new: Object) -> list[FieldError]:
    return [*_fixed(old, new, "spec", "scopes"), *_fixed(old, new, "spec", "scopeSelector")]


def _role_reference(old: Object, new: Object) -> list[FieldError]:
    if old.get("roleRef") == new.get("roleRef"):
        return []
    return [invalid_value("roleRef", _shown(new.get("roleRef")), "cannot change roleRef")]


_RULES: dict[str, Callable[[Object, Object], list[FieldError]]] = {
    "clusterrolebindings": _role_reference,
    "configmaps": _data,
    "deployments": _selector,
    "jobs": _job,
    "persistentvolumeclaims": _claim,
    "pods": _pod,
    "replicasets": _selector,
    "resourcequotas": _quota,
    "rolebindings": _role_reference,
    "secrets": _secret,
    "services": _service,
    "statefulsets": _stateful_set,
}
