"""What all parts of the node work with, and where its files lie."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.node.volume_sources import Token
from pgnb_rehearsal.node.volumes import Place
from pgnb_rehearsal.pods.runtime import Runtime


@dataclass(frozen=True)
class Directories:
    """The node's files below `root`: `memory` is a tmpfs, the rest lies on the disk."""

    root: Path
    owner: int
    many: bool = False

    @property
    def memory(self) -> Path:
        return self.root / "memory"

    def place(self, uid: str) -> Place:
        """Where the volumes of the pod with `uid` lie."""
        return Place(self.memory / uid / "volumes", self.pod(uid) / "volumes", self.owner, self.many)

    def pod(self, uid: str) -> Path:
        return self.root / "pods" / uid

    def log(self, uid: str, container: str, run: int) -> Path:
        """The log of a container's run, counted from 0."""
        return self.root / "logs" / uid / container / f"{run}.log"

    def message(self, uid: str, container: str) -> Path:
        """The file that a container sees as its terminationMessagePath."""
        return self.pod(uid) / "messages" / container

    def hosts(self, uid: str) -> Path:
        """The file that the pod's containers see as /etc/hosts."""
        return self.pod(uid) / "hosts"

    def forget(self, uid: str) -> None:
        """Delete everything of a pod: its volumes, its hosts file, its logs."""
        for path in (self.memory / uid, self.pod(uid), self.root / "logs" / uid):
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class NodeContext:
    """What pods are run with: objects, the container runtime, events, directories, the node, tokens."""

    store: Store
    runtime: Runtime
    events: EventRecorder
    directories: Directories
    node_name: str
    token: Token

    @property
    def allocatable(self) -> Object:
        """What the node has to give, as its object says."""
        node = self.store.find("nodes", None, self.node_name) or {}
        return (node.get("status") or {}).get("allocatable") or {}
