"""The user of a server's processes, and security contexts of pods beside it (`restricted`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the level `restricted` requires of each container, except for its user."""
_INHERITED = ("supplementalGroups", "supplementalGroupsPolicy", "seLinuxOptions", "fsGroupChangePolicy")


@dataclass(frozen=True)
class User:
    """A user and a group by number, because the names differ by image."""

    uid: int
    gid: int


def server_user(spec: Mapping[str, Any], container: Mapping[str, Any], owner: User) -> User:
    """Return the user of a server's processes: that of the pod's spec, unless it is root or not set.

    No PostgreSQL server runs as root: an image that starts as root changes to the `owner` of its data
    directory; so does one whose user is not named in the spec.
    """
    contexts = (container.get("securityContext") or {}, spec.get("securityContext") or {})
    uid, gid = (_first(contexts, key) for key in ("runAsUser", "runAsGroup"))
    return User(uid or owner.uid, owner.gid if gid is None else gid)


def effective_uid(spec: Mapping[str, Any], container: Mapping[str, Any]) -> int | None:
    """Return the user that a container starts as; None if its image decides."""
    return _first((container.get("securityContext") or {}, spec.get("securityContext") or {}), "runAsUser")


def container_security(user: User | None, *, non_root: bool = False) -> dict[str, Any]:
    """Return a container's securityContext for the level `restricted`, as `user`, or as the image says.

    `non_root`: the image's own user is known not to be root.
    """
    if user is None:
        return dict(RESTRICTED) | ({"runAsNonRoot": True} if non_root else {})
    return {"runAsUser": user.uid, "runAsGroup": user.gid, "runAsNonRoot": True, **RESTRICTED}


def volume_group(spec: Mapping[str, Any], container: Mapping[str, Any], user: User) -> int | None:
    """Return the fsGroup of a helper on a server's own volume; None to leave owners and modes unchanged.

    It is the server's own. Without one, only an image that starts as root needs an fsGroup: the root of its
    volume may belong to root, and its entry point corrects the modes that fsGroup changes.
    """
    if group := (spec.get("securityContext") or {}).get("fsGroup"):
        return int(group)
    return None if effective_uid(spec, container) else _own_group(user)


def pod_security(spec: Mapping[str, Any], user: User) -> dict[str, Any]:
    """Return the securityContext of a new server's pod, like that of `spec`, as `user`.

    The group of the volumes is the server's own fsGroup, else the user's group.
    """
    own = spec.get("securityContext") or {}
    made: dict[str, Any] = {"runAsUser": user.uid, "runAsGroup": user.gid}
    made |= {"fsGroup": own.get("fsGroup") or _own_group(user), "fsGroupChangePolicy": "OnRootMismatch"}
    return made | {key: own[key] for key in _INHERITED if own.get(key)}


def _own_group(user: User) -> int:
    """Return a group for this server alone.

    Group 0, which a data directory may have, is root's, or everybody's.
    """
    return user.gid or user.uid


def _first(contexts: tuple[Mapping[str, Any], ...], key: str) -> int | None:
    found = (context[key] for context in contexts if context.get(key) is not None)
    return next((int(value) for value in found), None)
