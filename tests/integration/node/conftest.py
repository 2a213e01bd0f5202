"""Pods for the node's tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from pgnb_rehearsal.client import Client

IMAGE = "postgres:17"
Follow = Callable[[], AbstractContextManager[IO[str]]]
SLEEP = {"command": ["sh", "-c", "trap 'exit 0' INT TERM; sleep 1000 & wait"]}
"""A container that does nothing and stops when it is asked to, as sleep alone does not as PID 1."""
_PATIENCE = 120.0


@dataclass(frozen=True)
class Pods:
    """Makes pods in a namespace and looks at them."""

    api: Client
    namespace: str
    kubectl: Callable[..., subprocess.CompletedProcess[str]]

    def path(self, rest: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{rest}"

    def create(self, kind: str, name: str, **content: Any) -> None:
        """An object of core/v1, such as a ConfigMap or a Service."""
        self.api.create(self.path(kind), {"metadata": {"name": name}} | content)

    def run(self, name: str, *containers: dict[str, Any], wait: str = "Ready", **spec: Any) -> dict[str, Any]:
        """A pod of `containers` (the image is filled in), once its condition `wait` is True (empty: now)."""
        filled = [{"name": f"c{number}", "image": IMAGE} | one for number, one in enumerate(containers)]
        for one in spec.get("initContainers", ()):
            one.setdefault("image", IMAGE)
        body = {"metadata": {"name": name, "labels": {"app": name}}}
        body["spec"] = {"terminationGracePeriodSeconds": 2, "containers": filled} | spec
        self.api.create(self.path("pods"), body)
        if wait:
            self.until(lambda: self.condition(name, wait) == "True", f"{name} {wait}", lambda: self.get(name))
        return self.get(name)

    def get(self, name: str) -> dict[str, Any]:
        return dict(self.api.get(self.path(f"pods/{name}")))

    def status(self, name: str, container: str = "c0", kind: str = "containerStatuses") -> dict[str, Any]:
        """A container's status."""
        return next(one for one in self.get(name)["status"].get(kind, ()) if one["name"] == container)

    def condition(self, name: str, kind: str) -> str:
        conditions = self.get(name).get("status", {}).get("conditions", ())
        return next((one["status"] for one in conditions if one["type"] == kind), "")

    def phase(self, name: str) -> str:
        return str(self.get(name)["status"]["phase"])

    def exec(self, name: str, *command: str, container: str = "c0") -> str:
        """What a command in a container writes to stdout; it has to succeed."""
        ended = self.kubectl("exec", "-n", self.namespace, name, "-c", container, "--", *command)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def logs(self, name: str, *options: str) -> str:
        ended = self.kubectl("logs", "-n", self.namespace, name, *options)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def reasons(self, name: str) -> list[str]:
        """The reasons of all events about a pod."""
        events = self.api.get(self.path(f"events?fieldSelector=involvedObject.name%3D{name}"))
        return [event["reason"] for event in events["items"]]

    def delete(self, name: str, **options: Any) -> None:
        self.api.request("DELETE", self.path(f"pods/{name}"), options or None)

    def gone(self, name: str) -> bool:
        return self.api.find(self.path(f"pods/{name}")) is None

    def until(
        self,
        done: Callable[[], bool],
        what: str,
        found: Callable[[], Any] = lambda: "",
        patience: float = _PATIENCE,
    ) -> float:
        """Waits for a condition; the seconds that it took."""
        began = time.monotonic()
        while not done():
            assert time.monotonic() - began < patience, f"waited {patience:.0f} s for {what}: {found()}"
            time.sleep(0.01)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def shared(
    api: Client, module_namespace: str, kubectl: Callable[..., subprocess.CompletedProcess[str]]
) -> Pods:
    """Pods in a namespace that the tests of a module share."""
    return Pods(api, module_namespace, kubectl)


@pytest.fixture
def pods(api: Client, namespace: str, kubectl: Callable[..., subprocess.CompletedProcess[str]]) -> Pods:
    """Pods in a namespace of the test's own."""
    return Pods(api, namespace, kubectl)


@pytest.fixture
def followed(pods: Pods, kubectl_path: str, kubeconfig: Path) -> Follow:
    """The log of pod `p` as `kubectl logs -f` shows it, from when it has connected to the pod's end."""
    command = [kubectl_path, "--kubeconfig", str(kubeconfig), "logs", "-n", pods.namespace, "-f", "p"]

    @contextmanager
    def follow() -> Iterator[IO[str]]:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield process.stdout

    return follow
