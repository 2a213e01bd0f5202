"""The ways in which a notebook is run: into a record, by plain papermill, as CI does, by nbval, in-process.

In-process its cells run without a kernel, which takes as long to start as many a notebook takes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from papermill.cli import papermill

from pgnb.cluster import Cluster
from pgnb.core.errors import PgnbError
from pgnb.core.journal import PATH_VARIABLE
from pgnb.runbook import catalogue, pages, params, runner, verdict
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Evidence, Verdict
from tests.integration.shapes.cells import performed

ROOT = Path(__file__).parents[2]
NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"
SECRETS = (
    ("postgres-primary", "password"),
    ("postgres-primary", "app-password"),
    ("postgres-replication", "password"),
)
"""Name and key of each Secret of sections 1 to 11."""
SUBSCRIBER_SECRET = ("postgres-subscriber", "password")
_BIN = Path(sys.executable).parent


def notebook_of(number: str) -> Path:
    """The notebook of a section."""
    return catalogue.select([number])[0]


def run(
    notebook: str | Path, given: Mapping[str, Any], archive: Archive, *, page: bool = False, **more: Any
) -> Record:
    """Run a notebook, or the one of a section's number, into a record; its HTML page only where it is read.

    The page takes as long as many a notebook; the pipeline's records have theirs.
    """
    path = notebook if isinstance(notebook, Path) else notebook_of(notebook)
    with pytest.MonkeyPatch.context() as without:
        if not page:
            without.setattr(pages.Writer, "prepare", lambda _writer: None)
            without.setattr(pages, "write", lambda _folder: ())
        return runner.run(path, params.validate(path, {**given, **more}), archive, progress=False)


@dataclass(frozen=True)
class Outcome:
    """What became of a run in this process; `error` as a record has it."""

    verdict: Verdict
    error: str
    evidence: Evidence


def in_process(number: str, given: Mapping[str, Any], journal: Path, **more: Any) -> Outcome:
    """Run the notebook's cells in this process, judged as a runner judges it.

    Its journal is at that path; what it shows, and the error that ended it, are beside the journal.
    """
    error = ""
    shown = journal.with_suffix(".shown").open("w", encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment, shown:
        environment.setenv(PATH_VARIABLE, str(journal))
        try:
            with performed(number, {**given, **more}, shown):
                pass
        except PgnbError as failure:
            error = f"{type(failure).__name__}: {failure}"
            journal.with_suffix(".error").write_text(error, encoding="utf-8")
    evidence = verdict.read(journal)
    return Outcome(verdict.judge(evidence, error=error.partition(":")[0]), error, evidence)


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
        "KUBECONFIG": kubeconfig,
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "KUBECTL": shutil.which("kubectl") or beside,
    }
    command = [str(ROOT / "scripts/kubernetes-e2e"), str(out), *parts]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return Archive(out / "records").all()


def nbval(numbers: Iterable[str], home: Path) -> None:
    """As a person opens them: default parameters, each cell run, marked outputs compared."""
    options = [
        "--nbval-lax",
        "--nbval-sanitize-with=tests/notebooks/nbval-sanitize.cfg",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", *options, *(str(notebook_of(number)) for number in numbers)]
    environment = os.environ | {"HOME": str(home)}
    environment.pop("KUBECONFIG", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550)
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
