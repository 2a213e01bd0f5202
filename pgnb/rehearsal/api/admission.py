"""What an object passes through on its way into the store: defaults, references, validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgnb.rehearsal.api.objects import Object
from pgnb.rehearsal.api.resources import BY_PLURAL, Resource
from pgnb.rehearsal.api.status import bad_request, forbidden, not_found

if TYPE_CHECKING:
    from pgnb.rehearsal.api.store import Store


def on_create(store: Store, resource: Resource, new: Object) -> None:
    """Defaults and validates a new object in place; StatusError 403, 404, 422."""
    _check_namespace(store, resource, new)
    if resource.plural == "namespaces":
        _default_namespace(new)


def on_update(store: Store, resource: Resource, old: Object, new: Object, subresource: str) -> None:
    """Defaults and validates an updated object in place; StatusError 422."""


def _check_namespace(store: Store, resource: Resource, new: Object) -> None:
    if not resource.namespaced:
        return
    namespace = new["metadata"].get("namespace")
    if not namespace:
        raise bad_request(f"an empty namespace may not be set during creation of {resource.qualified}")
    owner = store.find("namespaces", None, namespace)
    if owner is None:
        raise not_found(BY_PLURAL["namespaces"], namespace)
    if "deletionTimestamp" in owner["metadata"]:
        name = new["metadata"].get("name", "")
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        error = forbidden(resource, name, why)
        causes = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        error.details = {**(error.details or {}), "causes": causes}
        raise error


def _default_namespace(new: Object) -> None:
    name = new["metadata"].get("name", "")
    new["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    new.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    new.setdefault("status", {"phase": "Active"})
