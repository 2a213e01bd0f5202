"""What an object passes through on its way into the store: completed by the server, then validated."""

from __future__ import annotations

from pgnb_rehearsal.api import limitranges, podsecurity, quotas
from pgnb_rehearsal.api.completion import complete, keep_allocated
from pgnb_rehearsal.api.objects import Object, Reader
from pgnb_rehearsal.api.resources import BY_PLURAL, Resource
from pgnb_rehearsal.api.status import FieldError, StatusError, bad_request, forbidden, invalid, not_found
from pgnb_rehearsal.api.validation import created, updated


def on_create(store: Reader, resource: Resource, new: Object) -> None:
    """Completes a new object in place and validates it; StatusError 403, 404, 422."""
    _check_namespace(store, resource, new)
    limitranges.set_defaults(store, resource, new)
    complete(store, resource, new)
    _raise(resource, new, created(resource, new))
    limitranges.check(store, resource, new)
    if resource.plural == "pods":
        podsecurity.check(resource, store.find("namespaces", None, new["metadata"]["namespace"]) or {}, new)
    quotas.check(store, resource, new)


def on_update(store: Reader, resource: Resource, old: Object, new: Object, subresource: str) -> None:
    """Completes an updated object in place and validates it (not a status); StatusError 403, 422."""
    if subresource in ("status", "binding"):
        return
    keep_allocated(store, resource, old, new, subresource)
    _raise(resource, new, updated(resource, old, new))
    limitranges.check_update(store, resource, old, new)
    quotas.check(store, resource, new, old)


def _raise(resource: Resource, obj: Object, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(resource, obj["metadata"].get("name", ""), errors)


def _check_namespace(store: Reader, resource: Resource, new: Object) -> None:
    if not resource.namespaced:
        return
    namespace = new["metadata"].get("namespace")
    if not namespace:
        raise bad_request(f"an empty namespace may not be set during creation of {resource.qualified}")
    owner = store.find("namespaces", None, namespace)
    if owner is None:
        raise not_found(BY_PLURAL["namespaces"], namespace)
    if "deletionTimestamp" in owner["metadata"]:
        raise _terminating(resource, new["metadata"].get("name", ""), namespace)


def _terminating(resource: Resource, name: str, namespace: str) -> StatusError:
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(resource, name, why)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = {**(error.details or {}), "causes": [cause]}
    return error
