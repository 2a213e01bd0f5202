"""Carrying a notebook out with papermill, in a kernel that is there already; papermill's only importer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pgnb.core.private import write_private
from pgnb.runbook.jupyter import without_checkers
from pgnb.runbook.kernels import START_TIMEOUT, Kernel

with without_checkers():
    from papermill.engines import Engine, NBClientEngine, NotebookExecutionManager, papermill_engines
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook


_ENGINE = "pgnb"


class _Engine(Engine):
    """papermill's engine, but for what it does to save the notebook before and after each cell.

    It copies, checks and indents the whole notebook each time, which takes longer than most cells do.
    """

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, **options: Any
    ) -> None:
        nb_man.save = partial(_save, nb_man)
        NBClientEngine.execute_managed_notebook(nb_man, kernel_name, **options)


def _save(manager: NotebookExecutionManager, **_given: Any) -> None:
    """What a run that is killed leaves; in the end papermill writes the file once more, in its own form."""
    Path(manager.output_path).write_text(json.dumps(manager.nb), "utf-8")


papermill_engines.register(_ENGINE, _Engine)


@dataclass(frozen=True)
class CellError:
    """The exception that ended a cell: the name of its class, and its text."""

    name: str
    text: str


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    kernel: Kernel,
    *,
    progress: bool,
    begun: Callable[..., None],
) -> CellError | None:
    """Run the notebook's cells in the kernel, and keep them with their outputs in `output`.

    `begun` is called once the kernel is ready. Returns the exception that ended the run in a cell, or None.
    """
    write_private(output, "")  # papermill keeps the mode of what is there.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        execute_notebook(
            str(notebook),
            str(output),
            parameters=dict(parameters),
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar={"desc": notebook.stem} if progress else False,
            start_timeout=START_TIMEOUT,
            coalesce_streams=True,
            km=kernel.manager,
            on_notebook_start=begun,
        )
    except PapermillExecutionError as error:
        return CellError(error.ename, error.evalue)
    return None
