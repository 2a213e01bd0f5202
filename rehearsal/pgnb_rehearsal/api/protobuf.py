"""Reading the protobuf that kubectl's `create`, `auth` and `token` commands send.

Only what those commands can put into an object is known here; anything else is refused by name, never
dropped. Answers are JSON always, which every client accepts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple

from pgnb_rehearsal.api.status import bad_request, unsupported_media_type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

_OBJECT = "1 metadata:ObjectMeta, 2 spec:{spec}, 3 status:-"
_MESSAGES = {
    "Unknown": "1 typeMeta:TypeMeta, 2 raw:raw",
    "TypeMeta": "1 apiVersion, 2 kind",
    "ObjectMeta": "1 name, 2 generateName, 3 namespace, 5 uid, 6 resourceVersion, 11 labels:map, "
    "12 annotations:map, 13 ownerReferences:OwnerReference*, 14 finalizers:*",
    "OwnerReference": "1 kind, 3 name, 4 uid, 5 apiVersion, 6 controller:bool?, 7 blockOwnerDeletion:bool?",
    "ConfigMap": "1 metadata:ObjectMeta, 2 data:map, 3 binaryData:bytes-map, 4 immutable:bool?",
    "Secret": "1 metadata:ObjectMeta, 2 data:bytes-map, 3 type, 4 stringData:map, 5 immutable:bool?",
    "ServiceAccount": "1 metadata:ObjectMeta, 3 imagePullSecrets:LocalObjectReference*, "
    "4 automountServiceAccountToken:bool?",
    "LocalObjectReference": "1 name",
    "Namespace": _OBJECT.format(spec="NamespaceSpec"),
    "NamespaceSpec": "1 finalizers:*",
    "ResourceQuota": _OBJECT.format(spec="ResourceQuotaSpec"),
    "ResourceQuotaSpec": "1 hard:quantity-map, 2 scopes:*",
    "Role": "1 metadata:ObjectMeta, 2 rules:PolicyRule*",
    "ClusterRole": "1 metadata:ObjectMeta, 2 rules:PolicyRule*",
    "PolicyRule": "1 verbs:*, 2 apiGroups:*, 3 resources:*, 4 resourceNames:*, 5 nonResourceURLs:*",
    "RoleBinding": "1 metadata:ObjectMeta, 2 subjects:Subject*, 3 roleRef:RoleRef",
    "ClusterRoleBinding": "1 metadata:ObjectMeta, 2 subjects:Subject*, 3 roleRef:RoleRef",
    "Subject": "1 kind, 2 apiGroup, 3 name, 4 namespace",
    "RoleRef": "1 apiGroup, 2 kind, 3 name",
    "TokenRequest": _OBJECT.format(spec="TokenRequestSpec"),
    "TokenRequestSpec": "1 audiences:*, 4 expirationSeconds:int?",
    "SelfSubjectAccessReview": _OBJECT.format(spec="SelfSubjectAccessReviewSpec"),
    "SelfSubjectAccessReviewSpec": "1 resourceAttributes:ResourceAttributes, "
    "2 nonResourceAttributes:NonResourceAttributes",
    "ResourceAttributes": "1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name",
    "NonResourceAttributes": "1 path, 2 verb",
    "SelfSubjectRulesReview": _OBJECT.format(spec="SelfSubjectRulesReviewSpec"),
    "SelfSubjectRulesReviewSpec": "1 namespace",
    "SelfSubjectReview": "1 metadata:ObjectMeta, 2 status:-",
    "Deployment": _OBJECT.format(spec="DeploymentSpec"),
    "DeploymentSpec": "1 replicas:int?, 2 selector:LabelSelector, 3 template:PodTemplateSpec, "
    "4 strategy:DeploymentStrategy",
    "DeploymentStrategy": "1 type",
    "LabelSelector": "1 matchLabels:map",
    "Job": _OBJECT.format(spec="JobSpec"),
    "JobSpec": "1 parallelism:int?, 2 completions:int?, 3 activeDeadlineSeconds:int?, "
    "6 template:PodTemplateSpec, 7 backoffLimit:int?, 8 ttlSecondsAfterFinished:int?, 9 completionMode, "
    "10 suspend:bool?, 12 backoffLimitPerIndex:int?, 13 maxFailedIndexes:int?, 14 podReplacementPolicy",
    "CronJob": _OBJECT.format(spec="CronJobSpec"),
    "CronJobSpec": "1 schedule, 2 startingDeadlineSeconds:int?, 3 concurrencyPolicy, 4 suspend:bool?, "
    "5 jobTemplate:JobTemplateSpec, 6 successfulJobsHistoryLimit:int?, 7 failedJobsHistoryLimit:int?, "
    "8 timeZone",
    "JobTemplateSpec": "1 metadata:ObjectMeta, 2 spec:JobSpec",
    "PodTemplateSpec": "1 metadata:ObjectMeta, 2 spec:PodSpec",
    "PodSpec": "2 containers:Container*, 3 restartPolicy, 4 terminationGracePeriodSeconds:int?, 6 dnsPolicy, "
    "8 serviceAccountName, 9 serviceAccount, 19 schedulerName",
    "Container": "1 name, 2 image, 3 command:*, 4 args:*, 5 workingDir, 6 ports:ContainerPort*, "
    "7 env:EnvVar*, 13 terminationMessagePath, 14 imagePullPolicy, 20 terminationMessagePolicy",
    "EnvVar": "1 name, 2 value",
    "ContainerPort": "1 name, 3 containerPort:int, 4 protocol",
    "Service": _OBJECT.format(spec="ServiceSpec"),
    "ServiceSpec": "1 ports:ServicePort*, 2 selector:map, 3 clusterIP, 4 type, 10 externalName",
    "ServicePort": "1 name, 2 protocol, 3 port:int, 4 targetPort:int-or-string, 5 nodePort:int",
    "IntOrString": "1 type:int, 2 intVal:int?, 3 strVal",
    "Entry": "1 key, 2 value",
    "BytesEntry": "1 key, 2 value:raw",
    "QuantityEntry": "1 key, 2 value:Quantity",
    "Quantity": "1 string",
}


class _Field(NamedTuple):
    """A field's name and type; `many`: repeated; `kept`: written although it is zero (a pointer in Go)."""

    name: str
    type: str
    many: bool
    kept: bool


def _parsed(text: str) -> dict[int, _Field]:
    fields = {}
    for part in text.split(", "):
        number, _, rest = part.partition(" ")
        name, _, kind = rest.partition(":")
        plain = kind.rstrip("*?")
        fields[int(number)] = _Field(name, plain or "string", kind.endswith("*"), kind.endswith("?"))
    return fields


_ENTRIES = {"map": "Entry", "bytes-map": "BytesEntry", "quantity-map": "QuantityEntry"}
_TABLE = {message: _parsed(text) for message, text in _MESSAGES.items()}


def read_protobuf(data: bytes) -> dict[str, Any]:
    """The object in a protobuf body, as its JSON would be.

    Raises StatusError 400 for a body that is no protobuf of Kubernetes, 415 for a kind or a field that is
    not known here.
    """
    if not data.startswith(_MAGIC):
        raise bad_request("the body is no Kubernetes protobuf: it does not begin with k8s and a zero byte")
    envelope = _message("Unknown", data[len(_MAGIC) :])
    head = envelope.get("typeMeta") or {}
    kind = head.get("kind", "")
    if kind not in _TABLE or "1 metadata" not in _MESSAGES[kind]:
        raise unsupported_media_type(f'this server does not read a "{kind}" as protobuf: send it as JSON')
    return {**head, **_message(kind, envelope.get("raw", b""))}


def _message(name: str, data: bytes) -> dict[str, Any]:
    table, result = _TABLE[name], dict[str, Any]()
    for number, value in _wire_fields(data):
        field = table.get(number)
        if field is None:
            if value not in (0, b""):
                raise unsupported_media_type(
                    f"this server does not read field {number} of a {name} as protobuf: send it as JSON"
                )
        elif field.type != "-":
            _add(result, field, value)
    return result


def _add(result: dict[str, Any], field: _Field, value: int | bytes) -> None:
    if field.type in _ENTRIES:
        entry = _message(_ENTRIES[field.type], _bytes(value))
        result.setdefault(field.name, {})[entry.get("key", "")] = _content(field, entry.get("value"))
        return
    decoded = _value(field, value)
    if field.many:
        result.setdefault(field.name, []).append(decoded)
    elif field.kept or decoded not in ("", 0, False, {}, None):
        result[field.name] = decoded


def _content(field: _Field, value: Any) -> str:
    """The value of a map's entry; protobuf leaves out what is empty."""
    if field.type == "bytes-map":
        return base64.b64encode(value or b"").decode()
    return str(value["string"] if field.type == "quantity-map" else value or "")


def _value(field: _Field, value: int | bytes) -> Any:
    if field.type == "string":
        return _bytes(value).decode()
    if field.type == "raw":
        return _bytes(value)
    if field.type in ("int", "bool"):
        return bool(value) if field.type == "bool" else value
    if field.type == "int-or-string":
        either = _message("IntOrString", _bytes(value))
        return either["strVal"] if either.get("type") else either.get("intVal", 0)
    return _message(field.type, _bytes(value))


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise bad_request("the protobuf body is damaged: a number where bytes have to be")
    return value


def _wire_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values, as they stand in the encoding."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value - (1 << 64) if value >> 63 else value
            continue
        if wire == _LENGTH:
            length, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise bad_request(f"the protobuf body is damaged: wire type {wire}")
        if position + length > len(data):
            raise bad_request("the protobuf body is damaged: it ends within a field")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
    raise bad_request("the protobuf body is damaged: it ends within a number")
