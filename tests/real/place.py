"""A namespace on the cluster, servers in it, and notebooks that are run there as users run them."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import pgnb
from pgnb.cluster import Cluster
from pgnb.core.errors import ClusterError
from pgnb.core.wait import wait_until
from tests.real.servers import PRIMARY, STANDBY, SUBSCRIBER, Shape, objects, plain
from tests.real.settings import IMAGE, KUBECONFIG, START

_REPOSITORY = Path(__file__).parents[2]
_NOTEBOOK = 1500.0
_GONE = 300.0
PASSED, FAILED, STOPPED, STOPPED_LATER = 0, 1, 3, 6
"""Exit statuses of `pgnb run`; the last two: at a gate before the first change, and after some."""


@dataclass(frozen=True)
class Run:
    """One notebook's run: its exit status, and all that it said."""

    status: int
    summary: str


@dataclass(frozen=True)
class Place:
    """The namespace; `cluster` acts in it."""

    namespace: str
    cluster: Cluster
    records: Path

    def start(self, name: str, shape: Shape = plain, image: str = IMAGE) -> None:
        """Make a server and wait until it is Ready."""
        for manifest in objects(name, shape, image):
            self.cluster.create(manifest)
        workload = self.cluster.find_workload("Deployment", name)
        self.cluster.scale_and_wait(workload, 1, timeout=START)

    def start_primary(self, shape: Shape = plain, image: str = IMAGE) -> None:
        """Make the primary, with a database in which a table has rows."""
        self.start(PRIMARY, shape, image)
        self.psql(PRIMARY, "CREATE DATABASE shop")
        self.psql(PRIMARY, "CREATE TABLE orders (id int PRIMARY KEY, item text)", "shop")
        self.psql(
            PRIMARY, "INSERT INTO orders SELECT n, 'item ' || n FROM generate_series(1, 1000) n", "shop"
        )

    def run(self, number: str, **parameters: Any) -> Run:
        """Run a notebook by `pgnb run`, carried out, with parameters beside the usual ones."""
        file = self.records / f"{number}-{uuid.uuid4().hex[:6]}.yaml"
        given = json.loads(json.dumps({**self._usual(), **parameters}))  # copies, or YAML has aliases
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        argv = [sys.executable, "-m", "pgnb", "run", number, "-f", str(file), "--no-progress"]
        argv += ["--records", str(self.records / "records")]
        done = subprocess.run(
            argv, cwd=_REPOSITORY, capture_output=True, text=True, timeout=_NOTEBOOK, check=False
        )
        return Run(done.returncode, f"{done.stdout}\n{done.stderr}")

    def passes(self, *numbers: str, **parameters: Any) -> None:
        """Run notebooks, and see each of them pass."""
        for number in numbers:
            run = self.run(number, **parameters)
            assert run.status == PASSED, f"{number}: exit status {run.status}\n{run.summary}\n{self.state()}"

    def stops(self, number: str, *words: str, status: int = STOPPED, **parameters: Any) -> Run:
        """Run a notebook, and see it stop with these words, usually before its first change."""
        run = self.run(number, **parameters)
        assert run.status == status, f"{number}: exit status {run.status}\n{run.summary}\n{self.state()}"
        missing = [word for word in words if word not in run.summary]
        assert not missing, f"{number} did not say {missing}:\n{run.summary}"
        return run

    def psql(self, name: str, statement: str, database: str = "postgres") -> str:
        """A statement on a server, by psql in its container."""
        argv = ["psql", "-U", "postgres", "-d", database, "-AtXc", statement]
        return self.cluster.exec(self.cluster.pod(f"app={name}"), argv, timeout=60).text.strip()

    def label(self, key: str, value: str) -> None:
        """Label the namespace."""
        body = {"metadata": {"labels": {key: value}}}
        self.cluster.patch("namespaces", self.namespace, body, "label the namespace")

    def state(self) -> str:
        """What the cluster says: each pod with its state, and the warnings among the events."""
        try:
            pods = [f"{pod.name}: {pod.not_ready_reason or 'Ready'}" for pod in self.cluster.pods("")]
            events = [
                f"{event['involvedObject'].get('name')}: {event.get('reason')}: {event.get('message')}"
                for event in self.cluster.list("events")
                if event.get("type") == "Warning"
            ]
        except ClusterError as error:
            return f"the cluster cannot be asked: {error}"
        return "\n".join(["pods:", *pods, "warnings:", *events])

    def _usual(self) -> dict[str, Any]:
        secret = f"secret:{PRIMARY}/password"
        return {
            "kubeconfig": KUBECONFIG,
            "namespace": self.namespace,
            "dry_run": "false",
            "primary_selector": f"app={PRIMARY}",
            "primary_service": PRIMARY,
            "primary_password_from": secret,
            "standby_selector": f"app={STANDBY}",
            "standby": STANDBY,
            "subscriber": SUBSCRIBER,
            "subscriber_selector": f"app={SUBSCRIBER}",
            "replication_networks": ["0.0.0.0/0"],
            "allow_restart": True,
            "longest_gap": 30.0,
        }


@contextmanager
def made_place(records: Path) -> Iterator[Place]:
    """A namespace, deleted at the end whatever happened, with all that is in it."""
    name = f"pgnb-real-{uuid.uuid4().hex[:6]}"
    cluster = pgnb.connect(KUBECONFIG, namespace=name, dry_run=False)
    labels = {"pgnb/practice": "true", "pgnb-real": "yes"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    cluster.create(namespace)
    try:
        wait_until(
            "the namespace's service account",
            lambda: cluster.get("serviceaccounts", "default"),
            timeout=60,
        )
        yield Place(name, cluster, records)
    finally:
        cluster.delete("namespaces", name)
        wait_until(
            f"the namespace {name} to be gone",
            lambda: cluster.get("namespaces", name),
            lambda found: found is None,
            timeout=_GONE,
            every=1.0,
            describe=lambda found: str((found or {}).get("status")),
        )
        cluster.close()
