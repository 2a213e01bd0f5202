"""Refusals of the node's subresources (log, exec, portforward), with a real API server's words."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(400, "BadRequest", message)


def internal_error(message: str) -> StatusError:
    """500 with the cause, as the API server passes on what a kubelet answered."""
    causes = {"causes": [{"message": message}]}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", causes)


def spelled(error: OSError) -> str:
    """What the system says of a connection that failed, in Go's spelling: `connection refused`."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def container_name(pod: Object, wanted: str) -> str:
    """The container that a request means; StatusError 400 when it names none or one that is not there."""
    name = pod["metadata"]["name"]
    main = [container["name"] for container in pod["spec"]["containers"]]
    init = [container["name"] for container in pod["spec"].get("initContainers") or ()]
    if wanted:
        if wanted not in main + init:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(main) == 1:
        return str(main[0])
    choice = f"a container name must be specified for pod {name}, choose one of: {_listed(main)}"
    raise bad_request(f"{choice} or one of the init containers: {_listed(init)}" if init else choice)


def _listed(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"
