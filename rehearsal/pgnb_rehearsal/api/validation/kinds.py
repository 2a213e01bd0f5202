"""Rules about the smaller kinds."""

from __future__ import annotations

import base64
import json

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.status import FieldError, duplicate_value, invalid_value, not_supported, required
from pgnb_rehearsal.api.validation import names
from pgnb_rehearsal.api.validation.pods import port_error

_LARGEST = 1024 * 1024
_LAST_PORT = 65535
_ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_SUBJECTS = ("ServiceAccount", "User", "Group")


def config_map_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a ConfigMap."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    errors = [*_key_errors("data", data), *_key_errors("binaryData", binary)]
    for key in sorted(data.keys() & binary.keys()):
        errors.append(
            invalid_value(f"data[{key}]", json.dumps(key), "duplicate of key present in binaryData")
        )
    size = sum(len(value.encode()) for value in data.values())
    return [*errors, *_size_errors("", size + sum(len(base64.b64decode(value)) for value in binary.values()))]


def secret_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a Secret."""
    data = obj.get("data") or {}
    size = sum(len(base64.b64decode(value)) for value in data.values())
    return [*_key_errors("data", data), *_size_errors("data", size)]


def _key_errors(path: str, data: Object) -> list[FieldError]:
    return [
        invalid_value(f"{path}[{key}]", json.dumps(key), text)
        for key in data
        for text in names.config_key(key)
    ]


def _size_errors(path: str, size: int) -> list[FieldError]:
    if size <= _LARGEST:
        return []
    return [FieldError("FieldValueTooLong", path, f"Too long: may not be more than {_LARGEST} bytes")]


def service_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a Service."""
    spec = obj.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    if kind not in _SERVICE_TYPES:
        return [not_supported("spec.type", json.dumps(kind), _SERVICE_TYPES)]
    errors = []
    if kind == "ExternalName" and not spec.get("externalName"):
        errors.append(required("spec.externalName"))
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        errors.append(required("spec.ports"))
    seen: set[str] = set()
    for index, port in enumerate(ports):
        errors += _service_port_errors(port, f"spec.ports[{index}]", len(ports) > 1, seen)
    return errors


def _service_port_errors(port: Object, where: str, several: bool, seen: set[str]) -> list[FieldError]:
    errors = []
    name, number = port.get("name") or "", port.get("port")
    if several and not name:
        errors.append(required(f"{where}.name"))
    elif name and name in seen:
        errors.append(duplicate_value(f"{where}.name", json.dumps(name)))
    seen.add(name)
    if number is None or not 0 < number <= _LAST_PORT:
        errors.append(port_error(f"{where}.port", number or 0))
    target = port.get("targetPort")
    if isinstance(target, int) and not 0 < target <= _LAST_PORT:
        errors.append(port_error(f"{where}.targetPort", target))
    return errors


def claim_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a PersistentVolumeClaim."""
    spec = obj.get("spec") or {}
    errors = []
    if not spec.get("accessModes"):
        errors.append(required("spec.accessModes", "at least 1 access mode is required"))
    for index, mode in enumerate(spec.get("accessModes") or ()):
        if mode not in _ACCESS_MODES:
            errors.append(not_supported(f"spec.accessModes[{index}]", json.dumps(mode), _ACCESS_MODES))
    if not lookup(spec, "resources", "requests", "storage"):
        errors.append(required("spec.resources[storage]"))
    return errors


def lease_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a Lease."""
    spec = obj.get("spec") or {}
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    errors = []
    if seconds is not None and seconds <= 0:
        errors.append(invalid_value("spec.leaseDurationSeconds", str(seconds), "must be greater than 0"))
    if transitions is not None and transitions < 0:
        text = "must be greater than or equal to 0"
        errors.append(invalid_value("spec.leaseTransitions", str(transitions), text))
    return errors


def role_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a Role or ClusterRole."""
    errors = []
    for index, rule in enumerate(obj.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.append(required(f"{where}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            text = "resource rules must supply at least one api group"
            errors.append(required(f"{where}.apiGroups", text))
        if not rule.get("resources"):
            text = "resource rules must supply at least one resource"
            errors.append(required(f"{where}.resources", text))
    return errors


def binding_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a RoleBinding or ClusterRoleBinding."""
    reference = obj.get("roleRef") or {}
    kinds = ("ClusterRole",) if obj.get("kind") == "ClusterRoleBinding" else ("Role", "ClusterRole")
    errors = []
    if reference.get("kind") not in kinds:
        errors.append(not_supported("roleRef.kind", json.dumps(reference.get("kind") or ""), kinds))
    if not reference.get("name"):
        errors.append(required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        errors += _subject_errors(subject, f"subjects[{index}]", obj.get("kind") == "ClusterRoleBinding")
    return errors


def _subject_errors(subject: Object, where: str, cluster: bool) -> list[FieldError]:
    errors = []
    if not subject.get("name"):
        errors.append(required(f"{where}.name"))
    if subject.get("kind") not in _SUBJECTS:
        errors.append(not_supported(f"{where}.kind", json.dumps(subject.get("kind") or ""), _SUBJECTS))
    if cluster and subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
        errors.append(required(f"{where}.namespace"))
    return errors
