"""Where a session connects to: a pod, or a server that is not there yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock
from typing import Protocol

from pgnb.cluster import Cluster, Forward, Pod
from pgnb.core.errors import ClusterError, ConnectionFailed


class Route(Protocol):
    """Where a session connects to, and the state of that place."""

    @property
    def name(self) -> str:
        """The place, for a reader."""
        ...

    def address(self, *, encrypted: bool = False) -> tuple[str, int]:
        """Return host and port to connect to now; `encrypted`: TCP for TLS, no Unix socket."""
        ...

    def renew(self) -> None:
        """Find the place again, after a connection to it failed. Raises ClusterError if it does not exist."""
        ...

    def state(self) -> str:
        """Return the state of the place, for an error's text; never raises."""
        ...

    def close(self) -> None:
        """Release what was opened."""
        ...


@dataclass(frozen=True)
class Absent:
    """A server that is not there yet: in a plan-only run, where an earlier step would have made it."""

    name: str
    reason: str

    def address(self, *, encrypted: bool = False) -> tuple[str, int]:
        raise ConnectionFailed(f"{self.name}: not there yet", found=self.reason)

    def renew(self) -> None:
        """Do nothing: it stays absent for this run."""

    def state(self) -> str:
        return self.reason

    def close(self) -> None:
        """Do nothing: nothing was opened."""


@dataclass
class ThroughPod:
    """The only Ready pod of a selector, through the cluster's forward to its port.

    After a restart it may be another pod: `renew` finds it again.
    """

    cluster: Cluster
    selector: str
    container: str
    port: int
    pod: Pod
    _forward: Forward | None = field(default=None, repr=False)
    _lock: RLock = field(default_factory=RLock, repr=False)

    @property
    def name(self) -> str:
        return f"pod/{self.pod.name}"

    def address(self, *, encrypted: bool = False) -> tuple[str, int]:
        with self._lock:
            if self._forward is None:
                self._forward = self.cluster.forward(self.pod, self.port)
            return self._forward.over_tcp() if encrypted else (self._forward.host, self._forward.port)

    def renew(self) -> None:
        """Find the selector's Ready pod; a new pod gets a new forward."""
        pod = self.cluster.pod(self.selector, self.container)
        with self._lock:
            if pod.uid != self.pod.uid:
                self.close()
            self.pod = pod

    def state(self) -> str:
        try:
            matching = self.cluster.pods(self.selector)
        except ClusterError as error:
            return f"its pod cannot be read: {error.message}"
        words = [self._pod_words(pod) for pod in matching] or [f"no pod matches {self.selector}"]
        if self._forward is not None and self._forward.last_error:
            words.append(self._forward.last_error)
        return "; ".join(words)

    def _pod_words(self, pod: Pod) -> str:
        other = "" if pod.uid == self.pod.uid else "another pod: "
        return f"{other}{pod.name}: {pod.not_ready_reason or 'Ready'}, {pod.restarts} restarts"

    def close(self) -> None:
        with self._lock:
            if self._forward is not None:
                self._forward.close()
                self._forward = None
