"""What a pod of a fleet does, with real kernels and a store of files: verdicts, records, exit status."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pgnb.core.errors import ParameterError
from pgnb.core.wait import wait_until
from pgnb.fleet import job as jobs
from pgnb.fleet import worker
from pgnb.fleet.fleetfile import Fleet, Target, Waves
from pgnb.fleet.store import RecordStore
from pgnb.fleet.targets import Plan, resolve
from pgnb.runbook.records import Archive
from tests.unit.fleet_rollout.conftest import Namespaces
from tests.unit.runbook.conftest import START

PARAMETERS = "".join(
    f'{name}: str = ""  # {name}\n' for name in ("kubeconfig", "context", "namespace", "dry_run")
)
PASSES = ("finish(run)",)
FAILS = ("1/0",)
CHANGES = ("with journal.act('db', 'do it'):\n    pass", "finish(run)")
AWAY = ("from pgnb.core.errors import ApiUnreachable\nraise ApiUnreachable('no answer')",)
AWAY_LATER = (CHANGES[0], *AWAY)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`place(target=…, **notebooks)`: runs a worker on notebooks of these cells; its exit status."""
    import nbformat

    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setenv("PGNB_NOTEBOOKS", str(folder))
    monkeypatch.setenv("PGNB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv(worker.INDEX, "0")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(sizes: tuple[int, ...] = (), **notebooks: tuple[str, ...]) -> int:
        for number, cells in notebooks.items():
            notebook = nbformat.v4.new_notebook()
            first = nbformat.v4.new_code_cell(PARAMETERS)
            first.metadata["tags"] = ["parameters"]
            notebook.cells = [first, *(nbformat.v4.new_code_cell(one) for one in (START, *cells))]
            nbformat.write(notebook, folder / f"{number.strip('n')}_some.ipynb")
        numbers = tuple(number.strip("n") for number in notebooks)
        targets = (Target("shop", "shop"), Target("bank", "bank"))
        fleet = Fleet("f", "i", numbers, (tmp_path / "store").as_uri(), waves=Waves(sizes), targets=targets)
        (tmp_path / "fleet.json").write_text(resolve(fleet, Namespaces()).content)  # type: ignore[arg-type]
        return worker.work(tmp_path / "fleet.json", started=tmp_path / "started", told=tmp_path / "told")

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def stored(tmp_path: Path):
    return RecordStore.at((tmp_path / "store").as_uri()).target("shop")


def test_checks_go_on_after_a_failure_and_each_record_is_stored(place, tmp_path):
    assert place(n00=PASSES, n01=FAILS, n08=PASSES) == 1
    assert json.loads((tmp_path / "told").read_text()) == {"00": "passed", "01": "failed", "08": "passed"}
    assert [one.verdict for one in stored(tmp_path).index()] == ["passed", "failed", "passed"]
    assert stored(tmp_path).verify() == []


def test_a_change_ends_with_its_first_failure(place, tmp_path):
    assert place(n02=FAILS, n06=CHANGES) == 1
    assert [one.notebook for one in stored(tmp_path).index()] == ["02_some"]


def test_an_unreachable_api_may_be_tried_again_unless_something_was_changed(place, tmp_path):
    assert place(n02=AWAY) == jobs.RETRIED
    assert place(n02=AWAY_LATER) == 1
    assert [one.verdict for one in stored(tmp_path).index()] == ["API unreachable", "failed"]


def test_an_unreachable_api_after_another_notebooks_change_is_not_tried_again(place):
    """The exit status says that nothing was changed."""
    assert place(n02=CHANGES, n06=AWAY) == 1


def test_another_notebooks_own_failure_is_not_tried_again(place):
    assert place(n00=FAILS, n01=AWAY) == 1


def test_a_store_that_is_away_may_be_tried_again_and_nothing_ran(place, tmp_path):
    (tmp_path / "store").write_text("a file where the store's folder should be")
    assert place(n00=PASSES) == jobs.RETRIED
    assert not list((tmp_path / "records").glob("*/*/record.json"))


def test_a_second_pod_continues_the_chain_of_the_first(place, tmp_path):
    assert place(n00=PASSES) == 0
    import shutil

    shutil.rmtree(tmp_path / "records")  # Another pod has another emptyDir.
    assert place(n00=PASSES) == 0
    assert [one.number for one in stored(tmp_path).index()] == [1, 2]
    assert stored(tmp_path).pull(tmp_path / "pulled") == 2
    assert Archive(tmp_path / "pulled").verify() == []


def test_waves_need_a_job_that_releases_them(place, monkeypatch):
    monkeypatch.delenv(worker.JOB, raising=False)
    with pytest.raises(ParameterError, match="nothing here releases them"):
        place(sizes=(1, 1), n00=PASSES)


def test_a_pod_outside_of_a_job_says_so(place, monkeypatch):
    monkeypatch.delenv(worker.INDEX)
    with pytest.raises(ParameterError, match="no pod of an Indexed Job"):
        place(n00=PASSES)


def test_a_pod_that_is_told_to_end_stores_the_record_of_the_interrupted_run(tmp_path, place):
    """As a kubelet does: SIGTERM to the first process only."""
    place(n00=PASSES)  # Writes notebooks and plan.
    marker = str(tmp_path / "in")
    cell = f"import signal, pathlib\npathlib.Path({marker!r}).touch()\nwhile True: signal.pause()"
    source = json.loads((tmp_path / "notebooks/00_some.ipynb").read_text())
    source["cells"][-1]["source"] = cell
    (tmp_path / "notebooks/00_some.ipynb").write_text(json.dumps(source))
    code = (
        "import sys; from pathlib import Path; from pgnb.fleet import worker; "
        f"p = Path({str(tmp_path)!r}); "
        "sys.exit(worker.work(p / 'fleet.json', started=p / 'started', told=p / 'told'))"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ)) as running:
        wait_until("the cell to run", (tmp_path / "in").exists, timeout=60)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 130
    assert [one.verdict for one in stored(tmp_path).index()] == ["passed", "interrupted"]
    assert Plan.of((tmp_path / "fleet.json").read_text()).fleet == "f"
