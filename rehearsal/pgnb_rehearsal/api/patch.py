"""JSON patch (RFC 6902), with the refusals of the real server, and JSON merge patch (RFC 7386)."""

from __future__ import annotations

from typing import Any

from pgnb_rehearsal.api.objects import copied
from pgnb_rehearsal.api.status import StatusError, bad_request


class _PatchFailed(Exception):
    """An operation that cannot be carried out."""


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with a merge patch applied; neither argument is changed. null removes a key."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """The target with the operations applied in order; the target is not changed.

    Raises StatusError 400 for a patch that is none, 422 for an operation that fails (as the real server
    answers: without saying which).
    """
    if not isinstance(operations, list) or not all(isinstance(step, dict) for step in operations):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    result = copied(target)
    try:
        for operation in operations:
            result = _step(result, operation)
    except _PatchFailed:
        message = "the server rejected our request due to an error in our request"
        raise StatusError(422, "Invalid", message, {}) from None
    return result


def _step(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), _pointer(operation.get("path"))
    if kind == "test":
        if _found(document, path) != operation.get("value"):
            raise _PatchFailed
        return document
    if kind == "remove":
        return _removed(document, path)
    if kind == "replace":
        _found(document, path)
        return _placed(document, path, copied(operation.get("value")), insert=False)
    if kind == "add":
        return _placed(document, path, copied(operation.get("value")), insert=True)
    if kind in ("move", "copy"):
        source = _pointer(operation.get("from"))
        value = copied(_found(document, source))
        base = _removed(document, source) if kind == "move" else document
        return _placed(base, path, value, insert=True)
    raise _PatchFailed


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _PatchFailed
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(container: list[Any], part: str, *, end: bool) -> int:
    if end and part == "-":
        return len(container)
    if not part.lstrip("-").isdecimal():
        raise _PatchFailed
    index = int(part)
    if not -len(container) <= index < len(container) + int(end):
        raise _PatchFailed
    return index


def _child(container: Any, part: str) -> Any:
    if isinstance(container, list):
        return container[_index(container, part, end=False)]
    if isinstance(container, dict) and part in container:
        return container[part]
    raise _PatchFailed


def _found(document: Any, path: list[str]) -> Any:
    for part in path:
        document = _child(document, part)
    return document


def _placed(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    container = _found(document, path[:-1])
    if isinstance(container, list):
        index = _index(container, path[-1], end=insert)
        container[index : index if insert else index + 1] = [value]
    elif isinstance(container, dict):
        container[path[-1]] = value
    else:
        raise _PatchFailed
    return document


def _removed(document: Any, path: list[str]) -> Any:
    if not path:
        raise _PatchFailed
    container = _found(document, path[:-1])
    _child(container, path[-1])
    if isinstance(container, list):
        del container[_index(container, path[-1], end=False)]
    else:
        del container[path[-1]]
    return document
