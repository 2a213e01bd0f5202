"""Rules about pods and pod templates."""

from __future__ import annotations

import json
from typing import Any

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.status import (
    FieldError,
    duplicate_value,
    forbidden_value,
    invalid_value,
    not_found_value,
    not_supported,
    required,
)
from pgnb_rehearsal.api.validation import names
from pgnb_rehearsal.api.validation.limits import container_errors

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PROBE_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")
_LAST_PORT = 65535


def pod_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a pod."""
    return pod_spec_errors(obj.get("spec") or {}, "spec")


def pod_spec_errors(spec: Object, path: str) -> list[FieldError]:
    """What is wrong with the spec of a pod or of a template, at `path`."""
    errors = _volume_errors(spec, path)
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    if not spec.get("containers"):
        errors.append(required(f"{path}.containers"))
    seen: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            where = f"{path}.{kind}[{index}]"
            errors += _container_errors(container, where, volumes, seen)
    if spec.get("restartPolicy") not in (*_RESTART_POLICIES, None):
        shown = json.dumps(spec["restartPolicy"])
        errors.append(not_supported(f"{path}.restartPolicy", shown, _RESTART_POLICIES))
    return [*errors, *_seconds_errors(spec, path)]


def _seconds_errors(spec: Object, path: str) -> list[FieldError]:
    errors = []
    for key in ("terminationGracePeriodSeconds", "activeDeadlineSeconds"):
        value = spec.get(key)
        if value is not None and value < 0:
            text = "must be greater than or equal to 0"
            errors.append(invalid_value(f"{path}.{key}", str(value), text))
    return errors


def _volume_errors(spec: Object, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        where = f"{path}.volumes[{index}]"
        errors += _name_errors(volume, where, seen)
        sources = [key for key in volume if key != "name"]
        errors += [
            forbidden_value(f"{where}.{key}", "may not specify more than 1 volume type")
            for key in sources[1:]
        ]
        if "persistentVolumeClaim" in volume and not volume["persistentVolumeClaim"].get("claimName"):
            errors.append(required(f"{where}.persistentVolumeClaim.claimName"))
        if "secret" in volume and not volume["secret"].get("secretName"):
            errors.append(required(f"{where}.secret.secretName"))
        if "configMap" in volume and not volume["configMap"].get("name"):
            errors.append(required(f"{where}.configMap.name"))
    return errors


def _name_errors(item: Object, where: str, seen: set[str]) -> list[FieldError]:
    name = item.get("name") or ""
    if not name:
        return [required(f"{where}.name")]
    shown = json.dumps(name)
    if name in seen:
        return [duplicate_value(f"{where}.name", shown)]
    seen.add(name)
    return [invalid_value(f"{where}.name", shown, text) for text in names.dns_label(name)]


def _container_errors(container: Object, where: str, volumes: set[Any], seen: set[str]) -> list[FieldError]:
    errors = _name_errors(container, where, seen)
    if not container.get("image"):
        errors.append(required(f"{where}.image"))
    elif container["image"] != container["image"].strip():
        text = "must not have leading or trailing whitespace"
        errors.append(invalid_value(f"{where}.image", json.dumps(container["image"]), text))
    policy = container.get("imagePullPolicy")
    if policy not in (*_PULL_POLICIES, None):
        errors.append(not_supported(f"{where}.imagePullPolicy", json.dumps(policy), _PULL_POLICIES))
    return [
        *errors,
        *_port_errors(container, where),
        *_env_errors(container, where),
        *_mount_errors(container, where, volumes),
        *_probe_errors(container, where),
        *container_errors(container, where),
    ]


def _port_errors(container: Object, where: str) -> list[FieldError]:
    errors = []
    seen: set[str] = set()
    for index, port in enumerate(container.get("ports") or ()):
        at = f"{where}.ports[{index}]"
        name, number = port.get("name"), port.get("containerPort")
        if name and name in seen:
            errors.append(duplicate_value(f"{at}.name", json.dumps(name)))
        seen.add(name or "")
        if not number:
            errors.append(required(f"{at}.containerPort"))
        elif not 0 < number <= _LAST_PORT:
            errors.append(port_error(f"{at}.containerPort", number))
    return errors


def port_error(path: str, number: int) -> FieldError:
    """A port out of range."""
    return invalid_value(path, str(number), f"must be between 1 and {_LAST_PORT}, inclusive")


def _env_errors(container: Object, where: str) -> list[FieldError]:
    errors = []
    for index, entry in enumerate(container.get("env") or ()):
        at = f"{where}.env[{index}]"
        name = entry.get("name") or ""
        if not name:
            errors.append(required(f"{at}.name"))
        else:
            errors += [invalid_value(f"{at}.name", json.dumps(name), text) for text in names.env_name(name)]
        if entry.get("value") and entry.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            errors.append(invalid_value(f"{at}.valueFrom", '""', text))
    return errors


def _mount_errors(container: Object, where: str, volumes: set[Any]) -> list[FieldError]:
    errors = []
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at = f"{where}.volumeMounts[{index}]"
        name, target = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            errors.append(required(f"{at}.name"))
        elif name not in volumes:
            errors.append(not_found_value(f"{at}.name", json.dumps(name)))
        if not target:
            errors.append(required(f"{at}.mountPath"))
        elif target in seen:
            errors.append(invalid_value(f"{at}.mountPath", json.dumps(target), "must be unique"))
        seen.add(target)
        errors += _subpath_errors(mount, at)
    return errors


def _subpath_errors(mount: Object, at: str) -> list[FieldError]:
    value = mount.get("subPath") or ""
    if value.startswith("/"):
        return [invalid_value(f"{at}.subPath", json.dumps(value), "must be a relative path")]
    if ".." in value.split("/"):
        return [invalid_value(f"{at}.subPath", json.dumps(value), "must not contain '..'")]
    return []


def _probe_errors(container: Object, where: str) -> list[FieldError]:
    errors = []
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(key)
        if probe is None:
            continue
        given = [action for action in _PROBE_ACTIONS if action in probe]
        if not given:
            errors.append(required(f"{where}.{key}", "must specify a handler type"))
        errors += [
            forbidden_value(f"{where}.{key}.{action}", "may not specify more than 1 handler type")
            for action in given[1:]
        ]
        if "exec" in probe and not lookup(probe, "exec", "command"):
            errors.append(required(f"{where}.{key}.exec.command"))
    return errors
