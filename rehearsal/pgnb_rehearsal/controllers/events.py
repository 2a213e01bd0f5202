"""Events: what a controller tells about an object, as client-go's recorder and the scheduler's write them.

The same event about the same object is counted, not repeated (`count`, `lastTimestamp`).
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.clock import now, now_micro

_Key = tuple[str, str, str, str, str]


class EventRecorder:
    """Writes events on behalf of one component (for example `deployment-controller`)."""

    def __init__(self, store: Store, component: str, *, host: str = "") -> None:
        self._store = store
        self._component = component
        self._host = host
        self._names: dict[_Key, tuple[str, str]] = {}

    def normal(self, about: Object, reason: str, message: str, *, field: str = "") -> None:
        self._record(about, "Normal", reason, message, field)

    def warning(self, about: Object, reason: str, message: str, *, field: str = "") -> None:
        self._record(about, "Warning", reason, message, field)

    def _record(self, about: Object, kind: str, reason: str, message: str, field: str) -> None:
        key = (about["metadata"].get("uid", ""), kind, reason, message, field)
        if not self._count_again(key):
            self._names[key] = self._create(about, self._event(about, kind, reason, message, field))

    def _count_again(self, key: _Key) -> bool:
        if key not in self._names:
            return False
        namespace, name = self._names[key]

        def change(event: Object) -> None:
            event["count"] = event.get("count", 1) + 1
            event["lastTimestamp"] = now()

        try:
            self._store.modify("events", namespace, name, change)
        except StatusError:
            return False
        return True

    def _create(self, about: Object, event: Object) -> tuple[str, str]:
        # An event is a courtesy: a namespace that is going away takes none, and nothing depends on it.
        with contextlib.suppress(StatusError):
            self._store.create("events", event)
        return event["metadata"]["namespace"], event["metadata"]["name"]

    def _event(self, about: Object, kind: str, reason: str, message: str, field: str) -> Object:
        source = {"component": self._component} | ({"host": self._host} if self._host else {})
        written = now()
        return envelope(about, field) | {
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": written,
            "lastTimestamp": written,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }


class SchedulerEvents:
    """The scheduler writes the newer form: an `eventTime` and an action, no count."""

    def __init__(self, store: Store, node: str) -> None:
        self._store = store
        self._node = node

    def record(self, pod: Object, kind: str, reason: str, action: str, message: str) -> None:
        event = envelope(pod) | {
            "reason": reason,
            "message": message,
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "type": kind,
            "eventTime": now_micro(),
            "action": action,
            "reportingComponent": "default-scheduler",
            "reportingInstance": f"default-scheduler-{self._node}",
        }
        with contextlib.suppress(StatusError):  # as above
            self._store.create("events", event)


def envelope(about: Object, field: str = "") -> Object:
    """An event's head: its name and the object that it is about, `field` naming a part of it."""
    metadata = about["metadata"]
    involved: dict[str, Any] = {
        "kind": about["kind"],
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "apiVersion": about["apiVersion"],
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    if field:
        involved["fieldPath"] = field
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{time.time_ns():x}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": {key: value for key, value in involved.items() if value},
    }
