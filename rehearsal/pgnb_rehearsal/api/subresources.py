"""Scale, tokens, and the ways into pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from pgnb_rehearsal.api.access import ISSUER
from pgnb_rehearsal.api.answers import json_response
from pgnb_rehearsal.api.bodies import content_type, read_json_patch, read_object, read_text
from pgnb_rehearsal.api.cells import NONE, selector_text
from pgnb_rehearsal.api.context import Call
from pgnb_rehearsal.api.objects import Object, lookup, timestamp
from pgnb_rehearsal.api.patch import json_patch, merge_patch
from pgnb_rehearsal.api.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC
from pgnb_rehearsal.api.status import (
    StatusError,
    bad_request,
    conflict,
    invalid_value,
    method_not_allowed,
    unsupported_media_type,
)
from pgnb_rehearsal.api.writing import options_of

_SCALE_KIND = {"kind": "Scale", "apiVersion": "autoscaling/v1"}
_LEAST_TOKEN_SECONDS = 600


async def scale(call: Call) -> web.StreamResponse:
    """GET, PUT and PATCH of a workload's Scale (autoscaling/v1)."""
    current = scale_of(call.existing())
    if call.info.verb == "get":
        return json_response(current)
    if call.info.verb == "update":
        desired = await read_object(call.request, "Scale")
    elif call.info.verb == "patch":
        desired = _patched_scale(current, content_type(call.request), await read_text(call.request))
    else:
        raise method_not_allowed()
    return json_response(_rescaled(call, current, desired))


def scale_of(workload: Object) -> Object:
    """The Scale of a Deployment, ReplicaSet or StatefulSet."""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {key: workload["metadata"][key] for key in kept}
    selector = selector_text(lookup(workload, "spec", "selector"))
    status = {"replicas": lookup(workload, "status", "replicas") or 0}
    if selector != NONE:
        status["selector"] = selector
    replicas = lookup(workload, "spec", "replicas") or 0
    spec = {"replicas": replicas} if replicas else {}
    return {**_SCALE_KIND, "metadata": metadata, "spec": spec, "status": status}


def _patched_scale(current: Object, media: str, text: str) -> Any:
    body = read_json_patch(text)
    if media == JSON_PATCH:
        return json_patch(current, body)
    if media not in (MERGE_PATCH, STRATEGIC):
        raise unsupported_media_type()
    return merge_patch(current, body)


def _rescaled(call: Call, current: Object, desired: Any) -> Object:
    replicas = lookup(desired, "spec", "replicas") or 0
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas must be int32')
    if replicas < 0:
        raise _negative(call, replicas)
    version = lookup(desired, "metadata", "resourceVersion")
    if version and version != current["metadata"]["resourceVersion"]:
        raise conflict(call.resource, call.info.name)
    options = options_of(call, "UpdateOptions")
    workload = call.store.get(call.resource.plural, call.namespace, call.info.name)
    workload["spec"]["replicas"] = replicas
    updated = call.store.update(
        call.resource.plural, workload, subresource="scale", manager=options.manager, dry_run=options.dry_run
    )
    return scale_of(updated)


def _negative(call: Call, replicas: int) -> StatusError:
    error = invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0")
    message = f'Scale.autoscaling "{call.info.name}" is invalid: {error.field}: {error.text}'
    causes = [{"reason": error.reason, "message": error.text, "field": error.field}]
    details = {"name": call.info.name, "group": "autoscaling", "kind": "Scale", "causes": causes}
    return StatusError(422, "Invalid", message, details)


async def token(call: Call) -> web.StreamResponse:
    """POST of a TokenRequest: a token for the service account (`kubectl create token`)."""
    body = await read_object(call.request, "TokenRequest")
    spec = (body.get("spec") if isinstance(body, dict) else None) or {}
    seconds = spec.get("expirationSeconds") or 3600
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < _LEAST_TOKEN_SECONDS:
        raise _short_lived(seconds)
    audiences = tuple(spec.get("audiences") or (ISSUER,))
    issued = call.credentials.issue(call.existing(), seconds=seconds, audiences=audiences)
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    head: Object = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
    metadata = {
        "name": call.info.name,
        "namespace": call.info.namespace,
        "creationTimestamp": timestamp(),
    }
    shown = {"audiences": list(audiences), "expirationSeconds": seconds, "boundObjectRef": None}
    status = {"token": issued, "expirationTimestamp": timestamp(expires)}
    return json_response(head | {"metadata": metadata, "spec": shown, "status": status}, 201)


def _short_lived(seconds: Any) -> StatusError:
    error = invalid_value(
        "spec.expirationSeconds", str(seconds), "may not specify a duration less than 10 minutes"
    )
    message = f'TokenRequest.authentication.k8s.io "" is invalid: {error.field}: {error.text}'
    causes = [{"reason": error.reason, "message": error.text, "field": error.field}]
    details = {"group": "authentication.k8s.io", "kind": "TokenRequest", "causes": causes}
    return StatusError(422, "Invalid", message, details)


async def pod_stream(call: Call) -> web.StreamResponse:
    """pods/log, pods/exec and pods/portforward, handed to the node.

    A WebSocket begins with GET but does what POST does, so that it needs the right to create as well
    (Kubernetes' AuthorizePodWebsocketUpgradeCreatePermission).
    """
    kind = call.info.subresource
    if kind == "log":
        if call.info.verb != "get":
            raise method_not_allowed()
        return await call.node.logs(call.request, call.existing())
    if call.info.verb not in ("get", "create"):
        raise method_not_allowed()
    call.allow("create")
    if kind == "exec":
        return await call.node.exec(call.request, call.existing())
    return await call.node.portforward(call.request, call.existing())
