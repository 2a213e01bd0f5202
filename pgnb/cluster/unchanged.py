"""Change an object only if it is still as the plan read it, so that nobody's change is overwritten.

The resourceVersion alone is not enough, because it changes with a workload's status, too. So the content is
compared, and the change is sent with the compared version; after a conflict the content is compared again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from pgnb.cluster.client import Api, Object
from pgnb.cluster.resources import resource
from pgnb.core.errors import Conflict, NotFound

_SERVER_SIDE = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
_BY_CONTROLLERS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
)
_TRIES = 8
_SHOWN = 5


def content(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what only the API server and the controllers write."""
    kept = {key: deepcopy(value) for key, value in found.items() if key != "status"}
    meta = {key: value for key, value in (kept.get("metadata") or {}).items() if key not in _SERVER_SIDE}
    annotations = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if k not in _BY_CONTROLLERS}
    kept["metadata"] = {**meta, **({"annotations": annotations} if annotations else {})}
    return kept


def remember(api: Api, after: Object) -> Object:
    """Remember an object as this run's change left it, and return it.

    The next change may start from it.
    """
    if uid := (after.get("metadata") or {}).get("uid"):
        api.own[uid] = content(after)
    return after


def assert_as_seen(api: Api, label: str, seen: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise Conflict if somebody else changed or replaced the object since it was read."""
    same = seen["metadata"].get("uid") == now["metadata"].get("uid")
    standing = content(now)
    if same and standing in (content(seen), api.own.get(now["metadata"]["uid"])):
        return
    mine = api.own.get(seen["metadata"].get("uid", ""), content(seen))
    differing = list(_differences(mine, standing)) if same else ["it is another object of that name"]
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    raise Conflict(
        f"{label} was changed by somebody else since the plan",
        found="; ".join(differing[:_SHOWN]) + more,
        remedy="Nothing of it was overwritten. Find out who changed it and why, then run this again.",
    )


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif before != after:
        yield f"{path}: {_short(before)} then, {_short(after)} now"


def _short(value: Any) -> str:
    return str(value)[:60]


def as_seen(api: Api, seen: Object, send: Callable[[str], Object]) -> Object:
    """Call `send` with the current resourceVersion of the object, if it is unchanged.

    Raises Conflict, with what differs, if somebody else changed the object; then `send` was not called.
    """
    known, name = resource(seen["kind"]), str(seen["metadata"]["name"])
    for tried in range(_TRIES):
        now = _read(api, known.path(api.namespace, name), known.label(name))
        assert_as_seen(api, known.label(name), seen, now)
        try:
            return remember(api, send(str(now["metadata"]["resourceVersion"])))
        except Conflict as conflict:
            if (
                conflict.found or tried == _TRIES - 1
            ):  # Fields of other managers, or a status that changes all the time.
                raise
    raise AssertionError("unreachable")


def _read(api: Api, path: str, label: str) -> Object:
    try:
        return api.call("GET", path)
    except NotFound as gone:
        raise Conflict(
            f"{label} was deleted by somebody else since the plan",
            found="it does not exist",
            remedy="Find out who deleted it and why, then run this again.",
        ) from gone
