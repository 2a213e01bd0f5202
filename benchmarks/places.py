"""Where it is measured: a rehearsal cluster, or the cluster of $KUBECONFIG; and namespaces made for a row."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ground import NAMESPACE, Ground
from pgnb.cluster import connect
from pgnb_rehearsal import lifecycle

REHEARSAL = "rehearsal"
_SAMPLE = Path(__file__).parents[1] / "pgnb" / "manifests" / "sample"
_WRITER = "40-sample-writer.yaml"


@contextmanager
def rehearsal(name: str = "bench") -> Iterator[Ground]:
    """A rehearsal cluster of its own, for the block."""
    with TemporaryDirectory(prefix="pgnb-bench-") as folder:
        home = Path(folder, "state")
        running = lifecycle.up(name, state_home=home)
        ground = Ground(running.kubeconfig, running.context, REHEARSAL, Path(folder))
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
        _deploy(ground, sorted(_SAMPLE.iterdir()))
        try:
            yield ground
        finally:
            ground.close()


@contextmanager
def fresh(ground: Ground, name: str) -> Iterator[Ground]:
    """A namespace of its own with a new sample primary and no client, for the block."""
    with TemporaryDirectory(prefix=f"{name}-", dir=ground.folder) as folder:
        made = replace(ground, folder=Path(folder), namespace=f"pgnb-bench-{name}-{secrets.token_hex(2)}")
        try:
            _deploy(made, [file for file in sorted(_SAMPLE.iterdir()) if file.name != _WRITER])
            yield made
        finally:
            made.close()
            made.kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--timeout=300s")


def _of(kubeconfig: Path, folder: Path) -> Ground:
    found = connect(str(kubeconfig), "", NAMESPACE, dry_run=True)
    context = found.context
    found.close()
    return Ground(kubeconfig, context, f"context {context}", folder)


def _deploy(ground: Ground, files: list[Path]) -> None:
    texts = [file.read_text("utf-8").replace(NAMESPACE, ground.namespace) for file in files]
    ground.kubectl("apply", "-f", "-", given=texts[0])
    if not ground.kubectl("get", "secret", "postgres-primary", "--ignore-not-found", "-o", "name"):
        with TemporaryDirectory(prefix="pgnb-bench-") as folder:
            for key in ("password", "app-password"):
                Path(folder, key).write_text(secrets.token_urlsafe(24), "utf-8")
            ground.kubectl("create", "secret", "generic", "postgres-primary", f"--from-file={folder}")
    ground.kubectl("apply", "-f", "-", given="\n---\n".join(texts[1:]))
    ground.kubectl("rollout", "status", "deployment/postgres-primary", "--timeout=300s")
