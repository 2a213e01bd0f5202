"""A kernel as JupyterLab starts one leaves a record; the kernel is real, and cells come as from a browser."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from pgnb.core.journal import PATH_VARIABLE
from pgnb.core.wait import wait_until
from pgnb.runbook.records import FOLDER_VARIABLE, Archive
from pgnb.runbook.verdict import Verdict
from tests.unit.runbook.conftest import PARAMETERS, START

CHECK = "import pgnb\npgnb.check_parameters()"
ACT = "with journal.act('db', 'do it') as act:\n    act.result = 'did it'\njournal.table"
FINISH = "finish(run)"
TIMEOUT = 120


class Lab:
    """What the browser does: cells, one after the other, in the kernel of one notebook."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager, folder: Path) -> None:
        self.client, self.manager, self.archive = client, manager, Archive(folder)

    def run(self, *cells: str) -> None:
        for cell in cells:
            self.client.execute_interactive(
                cell, timeout=TIMEOUT, output_hook=lambda _: None, stop_on_error=False
            )

    def restart(self) -> None:
        self.client.shutdown()
        wait_until("the kernel to end", self.manager.is_alive, lambda alive: not alive, timeout=TIMEOUT)

    def sealed(self, count: int) -> list[str]:
        found = wait_until(
            f"{count} sealed records",
            lambda: [r for r in self.archive.read()[0] if r.seal],
            lambda records: len(records) >= count,
            timeout=TIMEOUT,
        )
        return [record.verdict for record in sorted(found, key=lambda r: r.number)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    records = tmp_path / "records"
    environment = {k: v for k, v in os.environ.items() if k != PATH_VARIABLE}
    environment |= {"JPY_SESSION_NAME": str(tmp_path / "02_sample.ipynb"), FOLDER_VARIABLE: str(records)}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment)
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT)
    try:
        yield Lab(client, manager, records)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_run_to_the_end_leaves_a_sealed_record_with_its_cells_and_outputs(lab: Lab) -> None:
    lab.run(PARAMETERS, CHECK, START, ACT, FINISH)
    assert lab.sealed(1) == [Verdict.PASSED]
    (record,) = lab.archive.read()[0]
    assert (record.notebook, record.changes, record.parameters["rows"]) == ("02_sample", 1, 1000)
    cells = json.loads((lab.archive.path(record) / "notebook.ipynb").read_text("utf-8"))["cells"]
    assert [cell["source"] for cell in cells][-2:] == [ACT, FINISH]
    assert "did it" in cells[-2]["outputs"][0]["data"]["text/html"]
    page = (lab.archive.path(record) / "notebook.html").read_text("utf-8")
    assert "passed · 成功" in page and "did it" in page
    assert lab.archive.verify() == []


def test_a_picture_is_kept_and_on_the_page(lab: Lab) -> None:
    figure = (
        "from io import BytesIO\nfrom matplotlib.figure import Figure\n"
        "class Drawn:\n    def _repr_png_(self):\n        Figure().savefig(file := BytesIO(), format='png')\n"
        "        return file.getvalue()\nDrawn()"
    )
    lab.run(PARAMETERS, CHECK, START, figure, FINISH)
    assert lab.sealed(1) == [Verdict.PASSED]
    (record,) = lab.archive.read()[0]
    assert record.plots == ("plot-01.png",)
    assert (lab.archive.path(record) / "plot-01.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_done_after_the_end_goes_to_a_record_of_its_own(lab: Lab) -> None:
    lab.run(PARAMETERS, CHECK, START, ACT, FINISH, "1 + 1")
    assert lab.sealed(1) == [Verdict.PASSED]
    lab.run(ACT)
    lab.restart()
    assert lab.sealed(2) == [Verdict.PASSED, Verdict.INCOMPLETE]
    assert lab.archive.verify() == []


def test_a_run_that_fails_or_begins_anew_leaves_a_record(lab: Lab) -> None:
    lab.run(PARAMETERS, CHECK, START, "from pgnb.core.errors import PodError\nraise PodError('no pod')")
    lab.run(PARAMETERS, CHECK, START, ACT, FINISH)
    assert lab.sealed(2) == [Verdict.FAILED, Verdict.PASSED]
    first = min(lab.archive.read()[0], key=lambda record: record.number)
    assert first.error == "PodError: no pod"


def test_a_kernel_that_is_killed_leaves_a_record_that_says_so(lab: Lab) -> None:
    lab.run(PARAMETERS, CHECK, START, ACT)
    lab.manager.shutdown_kernel(now=True)
    wait_until("the kernel to end", lab.manager.is_alive, lambda alive: not alive, timeout=TIMEOUT)
    (record,) = lab.archive.all()
    assert (record.verdict, record.changes) == (Verdict.KILLED, 1)


def test_where_the_runner_keeps_the_record_no_other_is_made(
    make_notebook: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgnb.runbook import runner

    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "02_sample.ipynb"))
    archive = Archive(tmp_path / "records")
    monkeypatch.setenv(FOLDER_VARIABLE, str(archive.folder))
    record = runner.run(make_notebook(CHECK, ACT, FINISH), {"rows": 2}, archive, progress=False)
    assert [r.name for r in archive.all()] == [record.name]
