"""What the node knows of a container at one moment, and how the API says it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pgnb_rehearsal.api.objects import Object

EPOCH = "1970-01-01T00:00:00Z"
"""The startedAt of a container that never started, as the API shows it."""


def now() -> str:
    """The present time as `metav1.Time` is written: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Waiting:
    """A container that does not run yet, or not again yet."""

    reason: str
    message: str = ""

    def shown(self) -> dict[str, Any]:
        message = {"message": self.message} if self.message else {}
        return {"waiting": {"reason": self.reason} | message}


@dataclass(frozen=True)
class Running:
    """A container whose PID 1 runs."""

    started_at: str

    def shown(self) -> dict[str, Any]:
        return {"running": {"startedAt": self.started_at}}


@dataclass(frozen=True)
class Terminated:
    """A container whose PID 1 has ended with `exit_code` (128 + n: by signal n)."""

    exit_code: int
    reason: str
    started_at: str
    finished_at: str
    container_id: str
    message: str = ""

    def shown(self) -> dict[str, Any]:
        message = {"message": self.message} if self.message else {}
        return {
            "terminated": {
                "exitCode": self.exit_code,
                "reason": self.reason,
                **message,
                "startedAt": self.started_at,
                "finishedAt": self.finished_at,
                "containerID": self.container_id,
            }
        }


State = Waiting | Running | Terminated


@dataclass
class ContainerState:
    """One container of a pod: its spec, and what became of it so far.

    `last` is how the run before the present state ended. `failure` is the reason (with its message) why an
    ended container does not run again yet; the API shows it in place of the end, which moves to lastState.
    `runs` counts the starts, so that run n has log n.
    """

    spec: Object
    init: bool = False
    state: Waiting | Running | Terminated = field(default_factory=lambda: Waiting("ContainerCreating"))
    last: Terminated | None = None
    failure: Waiting | None = None
    restarts: int = 0
    runs: int = 0
    container_id: str = ""
    image: str = ""
    image_id: str = ""
    started: bool = False
    ready: bool = False

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def sidecar(self) -> bool:
        """An init container that goes on beside the others (`restartPolicy: Always`)."""
        return self.init and self.spec.get("restartPolicy") == "Always"

    @property
    def field_path(self) -> str:
        """Where the container stands in its pod, as events say it."""
        return f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"

    def seen(self) -> tuple[State, Terminated | None]:
        """`state` and `lastState` as the API shows them."""
        if isinstance(self.state, Terminated) and self.failure is not None:
            return self.failure, self.state
        return self.state, self.last


def new_id() -> str:
    """A container's ID as the API shows it."""
    return f"rehearsal://{secrets.token_hex(32)}"
