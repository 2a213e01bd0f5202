"""The ways in which a notebook is run: into a record, by plain papermill, as CI does, and by nbval."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from papermill.cli import papermill

from pgnb.cluster import Cluster
from pgnb.runbook import catalogue, params, runner, verdict
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Verdict

ROOT = Path(__file__).parents[2]
NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"
SECRETS = (
    ("postgres-primary", "password"), ("postgres-primary", "app-password"),
    ("postgres-replication", "password"),
)  # fmt: skip
"""Name and key of each Secret of sections 1 to 11."""
SUBSCRIBER_SECRET = ("postgres-subscriber", "password")
_BIN = Path(sys.executable).parent


def notebook_of(number: str) -> Path:
    """The notebook of a section."""
    return catalogue.select([number])[0]


def run(notebook: str | Path, given: Mapping[str, Any], archive: Archive, **more: Any) -> Record:
    """Run a notebook, or the one of a section's number, into a record."""
    path = notebook if isinstance(notebook, Path) else notebook_of(notebook)
    return runner.run(path, params.validate(path, {**given, **more}), archive, progress=False)


def plain_papermill(number: str, given: Mapping[str, Any], out: Path, **more: Any) -> Verdict:
    """Run it by papermill's own command, with a params file and no runner; the verdict of its journal."""
    path, journal, file = notebook_of(number), out / f"{number}.journal.jsonl", out / f"{number}.yaml"
    values = {**given, "dry_run": "false", **more}
    file.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    options = ["--no-progress-bar", "--log-level", "ERROR"]
    command = [str(path), str(out / path.name), "-f", str(file), *options]
    done = CliRunner().invoke(papermill, command, env={"PGNB_JOURNAL": str(journal)})
    assert done.exit_code == 0, done.output[-3000:]
    return verdict.judge(verdict.read(journal))


def pipeline(parts: Sequence[str], kubeconfig: str, out: Path) -> list[Record]:
    """scripts/kubernetes-e2e, as CI runs it against kind, on the cluster of a KUBECONFIG; its records."""
    beside = str(_BIN / "kubectl")
    environment = os.environ | {
        "KUBECONFIG": kubeconfig, "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "KUBECTL": shutil.which("kubectl") or beside,
    }  # fmt: skip
    command = [str(ROOT / "scripts/kubernetes-e2e"), str(out), *parts]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return Archive(out / "records").all()


def nbval(numbers: Iterable[str], home: Path) -> None:
    """As a person opens them: default parameters, each cell run, marked outputs compared."""
    options = [
        "--nbval-lax", "--nbval-sanitize-with=tests/notebooks/nbval-sanitize.cfg", "-x", "-q",
        "-p", "no:cacheprovider",
    ]  # fmt: skip
    command = [sys.executable, "-m", "pytest", *options, *(str(notebook_of(number)) for number in numbers)]
    environment = os.environ | {"HOME": str(home)}
    environment.pop("KUBECONFIG", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:]


def assert_no_secret(cluster: Cluster, secrets: Iterable[tuple[str, str]], *folders: Path) -> None:
    """No value of those Secrets (name, key) stands in any file below the folders."""
    values = [cluster.secret_value(*secret).reveal().encode() for secret in secrets]
    assert all(len(value) > 8 for value in values)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not any(value in content for value in values), path
