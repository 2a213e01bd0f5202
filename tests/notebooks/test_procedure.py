"""The notebooks on a rehearsal cluster: planned, applied by plain papermill, run again, and by nbval.

The tests of this module build on one another, in order, as a person's day does.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgnb import plots
from pgnb.cluster import Cluster, connect
from pgnb.observe.writer import Writer
from pgnb.rehearsal.lifecycle import Rehearsal
from pgnb.runbook import catalogue, params, runner, verdict
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict
from pgnb.server import Server, find_server
from pgnb.server.progress import marker
from tests.notebooks.snapshot import snapshot

ROOT = Path(__file__).parents[2]
NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"
NUMBERS = ("00", "01", "02", "03", "04", "05", "06", "07", "08", "10", "11")
SHORT = {"monitor_seconds": 2, "rate_seconds": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory whose rehearsal cluster is where the notebooks look by default."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def cluster_of_notebooks(home: Path, own_rehearsal) -> Rehearsal:
    """A rehearsal cluster with the sample, called `rehearsal`, in that home."""
    return own_rehearsal("rehearsal", home / ".local/state/pgnb")


@pytest.fixture(scope="module")
def given(cluster_of_notebooks: Rehearsal) -> dict[str, str]:
    running = cluster_of_notebooks
    return {"kubeconfig": str(running.kubeconfig), "context": running.context, "namespace": NAMESPACE}


@pytest.fixture(scope="module")
def observer(given: dict[str, str]) -> Iterator[Cluster]:
    cluster = connect(**given, dry_run=True)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("records"))


@pytest.fixture
def primary(observer: Cluster) -> Iterator[Server]:
    server = find_server(observer, "app=postgres-primary", password=PASSWORD)
    yield server
    server.close()


@pytest.fixture
def standby(observer: Cluster) -> Iterator[Server]:
    server = find_server(observer, "app=postgres-async-replica", password=PASSWORD)
    yield server
    server.close()


def _run(number: str, given: dict[str, str], archive: Archive, **more: object):
    notebook = catalogue.select([number])[0]
    values = params.validate(notebook, {**given, **SHORT, **more}, SHORT)
    return runner.run(notebook, values, archive, progress=False)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_plan_only_run_changes_nothing_at_all(number, given, archive, observer, primary):
    before = snapshot(observer, (primary,))
    record = _run(number, given, archive, dry_run="true")
    assert record.verdict == Verdict.PLANNED, record.error
    assert record.changes == 0
    assert snapshot(observer, (primary,)) == before


def test_plain_papermill_carries_the_procedure_out(given, tmp_path):
    """scripts/kubernetes-e2e, as CI runs it against kind, on the cluster of a KUBECONFIG."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"KUBECONFIG": given["kubeconfig"], "PATH": path}
    notebooks = [str(catalogue.select([number])[0]) for number in NUMBERS]
    command = [str(ROOT / "scripts/kubernetes-e2e"), str(tmp_path / "out"), *notebooks]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    for number in NUMBERS:
        name = catalogue.select([number])[0].stem
        assert (tmp_path / "out" / f"{name}.ipynb").exists()
        evidence = verdict.read(tmp_path / "out" / f"{name}.journal.jsonl")
        assert verdict.judge(evidence) == Verdict.PASSED


@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_run_finds_nothing_to_change(number, given, archive, observer, primary, standby):
    before = snapshot(observer, (primary, standby))
    record = _run(number, given, archive, dry_run="false")
    assert record.verdict == Verdict.PASSED, record.error
    assert snapshot(observer, (primary, standby)) == before
    journal = verdict.read(archive.path(record) / "journal.jsonl")
    lasting = [act for act in journal.acts if not _passing(act)]
    assert lasting == []


def _passing(act: dict[str, str]) -> bool:
    """A helper pod or a scratch database, which the same run removes again."""
    return (
        act["target"].startswith("pod/pgnb-")
        or "replication_test" in act["what"]
        or "test_async" in act["what"]
    )


def test_the_notebooks_pass_nbval_with_their_defaults(home, cluster_of_notebooks):
    """As a person opens them: default parameters, each cell run, marked outputs compared."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-sanitize-with=tests/notebooks/nbval-sanitize.cfg",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(catalogue.select([number])[0]) for number in NUMBERS[:6]),
    ]
    environment = os.environ | {"HOME": str(home)}
    environment.pop("KUBECONFIG", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_client_was_promised_nothing_that_is_not_there(observer, primary, standby):
    writer = Writer(observer, "app=sample-writer", "shop", "heartbeat")
    writing = writer.report()
    assert writing.acknowledged > 100
    assert writer.found(primary, writing).missing == []
    assert writer.found(standby, writing, lsn=marker(primary)).missing == []
    assert plots.gaps(writing) is not None


def test_no_secret_is_in_any_record(given, archive, observer):
    values = [
        observer.secret_value("postgres-primary", "password").reveal(),
        observer.secret_value("postgres-primary", "app-password").reveal(),
        observer.secret_value("postgres-replication", "password").reveal(),
    ]
    for path in archive.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(value.encode() in content for value in values), path


def test_a_record_says_who_did_what_to_which_server(archive, observer, primary):
    record = next(r for r in archive.all() if r.notebook.startswith("02"))
    assert record.facts["namespace"] == NAMESPACE
    assert [s["system_identifier"] for s in record.servers] == [primary.facts.system_identifier]
    assert record.who
    assert json.loads((archive.path(record) / "record.json").read_text())["seal"]
    assert archive.verify() == []
