"""What a volume that is made from API objects contains: ConfigMap, Secret, downwardAPI, projected.

Pure reading; `atomic.py` writes it to disk.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.node.fields import field, resource_field

_DEFAULT_MODE = 0o644


class MountError(RehearsalError):
    """A volume cannot be set up yet; kubelet says so with FailedMount and tries again."""


@dataclass(frozen=True)
class File:
    """A file of a volume: its bytes and its mode bits."""

    data: bytes
    mode: int = _DEFAULT_MODE


Payload = dict[str, File]
Token = Callable[[str, str, Mapping[str, object]], str]
"""Mints a token: (namespace, service account, the source's audience and expirationSeconds) → token."""


@dataclass(frozen=True)
class Origins:
    """Where payloads come from: the store, the pod, what the node has to give, and tokens."""

    store: Store
    pod: Object
    allocatable: Object
    token: Token


def refers_to(volume: Object) -> set[tuple[str, str]]:
    """The (plural, name) of all ConfigMaps and Secrets that a volume shows."""
    found = set()
    for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        if (reference := source.get("configMap")) is not None:
            found.add(("configmaps", reference["name"]))
        if (reference := source.get("secret")) is not None:
            found.add(("secrets", reference.get("secretName") or reference["name"]))
    return found


def payload(volume: Object, origins: Origins) -> Payload | None:
    """The files of a volume, by path below it; None for a volume that is not made from objects.

    MountError when an object or a key is missing that is not optional.
    """
    if (projected := volume.get("projected")) is not None:
        mode = projected.get("defaultMode", _DEFAULT_MODE)
        files: Payload = {}
        for source in projected.get("sources") or ():
            files |= _source(source, origins, mode) or {}
        return files
    return _source(volume, origins, None)


def _source(source: Object, origins: Origins, mode: int | None) -> Payload | None:
    """One source; `mode` is the default of a projected volume, None: the source has its own."""
    for name, read in _READERS.items():
        reference = source.get(name)
        if reference is not None:
            default = mode if mode is not None else reference.get("defaultMode", _DEFAULT_MODE)
            return read(reference, origins, default)
    return None


def _configmap(reference: Object, origins: Origins, mode: int) -> Payload:
    found = _object(origins, "configmaps", reference["name"], reference)
    contents = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    contents |= {key: base64.b64decode(data) for key, data in (found.get("binaryData") or {}).items()}
    return _picked(contents, reference, mode, "configmap references non-existent config key: {}")


def _secret(reference: Object, origins: Origins, mode: int) -> Payload:
    found = _object(origins, "secrets", reference.get("secretName") or reference["name"], reference)
    contents = {key: base64.b64decode(data) for key, data in (found.get("data") or {}).items()}
    return _picked(contents, reference, mode, "references non-existent secret key: {}")


def _object(origins: Origins, plural: str, name: str, reference: Object) -> Object:
    found = origins.store.find(plural, origins.pod["metadata"]["namespace"], name)
    if found is None and not reference.get("optional"):
        raise MountError(f'{plural.removesuffix("s")} "{name}" not found')
    return found or {}


def _picked(contents: Mapping[str, bytes], reference: Object, mode: int, missing: str) -> Payload:
    items = reference.get("items")
    if not items:
        return {key: File(data, mode) for key, data in contents.items()}
    files = {}
    for item in items:
        if item["key"] in contents:
            files[_inside(item["path"])] = File(contents[item["key"]], item.get("mode", mode))
        elif not reference.get("optional"):
            raise MountError(missing.format(item["key"]))
    return files


def _downward(reference: Object, origins: Origins, mode: int) -> Payload:
    files = {}
    for item in reference.get("items") or ():
        if (wanted := item.get("resourceFieldRef")) is not None:
            containers = {c["name"]: c for c in origins.pod["spec"]["containers"]}
            text = resource_field(containers[wanted["containerName"]], wanted, origins.allocatable)
        else:
            text = field(origins.pod, item["fieldRef"]["fieldPath"])
        files[_inside(item["path"])] = File(text.encode(), item.get("mode", mode))
    return files


def _token(reference: Object, origins: Origins, mode: int) -> Payload:
    metadata, spec = origins.pod["metadata"], origins.pod["spec"]
    token = origins.token(metadata["namespace"], spec.get("serviceAccountName", "default"), reference)
    return {_inside(reference["path"]): File(token.encode(), mode)}


def _inside(path: str) -> str:
    """The path, when it stays below the volume."""
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise MountError(f'invalid path "{path}": must stay within the volume')
    return path


_READERS: dict[str, Callable[[Object, Origins, int], Payload]] = {
    "configMap": _configmap,
    "secret": _secret,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
}
