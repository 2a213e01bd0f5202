"""Refusals of the API server, each a Kubernetes `Status` object (meta/v1).

Messages, reasons and details are those of a real kube-apiserver; clients read all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.errors import RehearsalError


class StatusError(RehearsalError):
    """A request that was refused; `body()` is the Status object a client receives."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def body(self) -> dict[str, Any]:
        """The Status object, its fields in the order of the real one."""
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


class FieldError(NamedTuple):
    """One cause of an `Invalid` refusal: reason of the cause, the field's path, and the text after it."""

    reason: str
    field: str
    text: str


def required(field: str, text: str = "") -> FieldError:
    """A field that is missing."""
    return FieldError("FieldValueRequired", field, f"Required value: {text}" if text else "Required value")


def invalid_value(field: str, shown: str, text: str) -> FieldError:
    """A field whose value (`shown` as JSON) cannot be used."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {shown}: {text}")


def without_value(field: str, text: str) -> FieldError:
    """A field that cannot be as it is, whatever its value."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {text}")


def too_many(field: str, found: int, most: int) -> FieldError:
    """A list that is too long."""
    return FieldError("FieldValueTooMany", field, f"Too many: {found}: must have at most {most} items")


def forbidden_value(field: str, text: str) -> FieldError:
    """A field that may not be set, or may not be changed."""
    return FieldError("FieldValueForbidden", field, f"Forbidden: {text}")


def not_supported(field: str, shown: str, supported: Sequence[str]) -> FieldError:
    """A field whose value is none of an enumeration."""
    values = ", ".join(f'"{value}"' for value in supported)
    text = f"Unsupported value: {shown}: supported values: {values}"
    return FieldError("FieldValueNotSupported", field, text)


def duplicate_value(field: str, shown: str) -> FieldError:
    """A list entry whose key is there already."""
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {shown}")


def not_found_value(field: str, shown: str) -> FieldError:
    """A reference to an entry that is not there."""
    return FieldError("FieldValueNotFound", field, f"Not found: {shown}")


def object_details(resource: Resource, name: str) -> dict[str, Any]:
    """`details` naming an object by its plural."""
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    return details


def not_found(resource: Resource, name: str) -> StatusError:
    """404 for an object."""
    return StatusError(
        404, "NotFound", f'{resource.qualified} "{name}" not found', object_details(resource, name)
    )


def no_such_resource() -> StatusError:
    """404 for a path that names no resource."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> StatusError:
    """409 for a name that is taken."""
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, object_details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> StatusError:
    """409 for an object that somebody else changed."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, object_details(resource, name))


def failed_precondition(resource: Resource, name: str, why: str) -> StatusError:
    """409 for a delete whose precondition does not hold (named by its kind, not its plural)."""
    named = resource.qualified_kind
    details = {"name": name, **({"group": resource.group} if resource.group else {}), "kind": resource.kind}
    return StatusError(409, "Conflict", f'Operation cannot be fulfilled on {named} "{name}": {why}', details)


def invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422 with the causes."""
    texts = [f"{error.field}: {error.text}" for error in errors]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.kind
    details["causes"] = [
        {"reason": error.reason, "message": error.text, "field": error.field} for error in errors
    ]
    message = f'{resource.qualified_kind} "{name}" is invalid: {joined}'
    return StatusError(422, "Invalid", message, details)


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(400, "BadRequest", message)


def forbidden(resource: Resource, name: str, why: str) -> StatusError:
    """403 for an object."""
    what = f'{resource.qualified} "{name}"' if name else resource.qualified
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", object_details(resource, name))


def expired(message: str) -> StatusError:
    """410 for a resourceVersion that the history no longer holds."""
    return StatusError(410, "Expired", message)


def method_not_allowed() -> StatusError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(message: str = "415: Unsupported Media Type") -> StatusError:
    """415."""
    return StatusError(415, "UnsupportedMediaType", message, {})


def unauthorized() -> StatusError:
    """401."""
    return StatusError(401, "Unauthorized", "Unauthorized")
