"""A run in JupyterLab leaves a record as well: the cells as they were run, their outputs, and the journal.

The record begins with `check_parameters`, the first cell of each notebook. JupyterLab saves a notebook in
the browser; here the kernel writes down what it has run and shown itself. The record is sealed when the
notebook has reached its last cell, when the first cell is run again, or when the kernel ends. What is done in
the kernel afterwards goes to a record of its own.
"""

from __future__ import annotations

import atexit
import json
import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pgnb.core import journal as journals
from pgnb.core.journal import PATH_VARIABLE
from pgnb.core.private import write_private

_SESSION = "JPY_SESSION_NAME"
"""Where jupyter_server tells a kernel the path of its notebook."""
_FORMAT = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"language_info": {"name": "python"}}}


class Recorder:
    """Keeps what a kernel runs; one for the kernel's whole life."""

    def __init__(self, shell: Any, notebook: Path) -> None:
        self._shell, self._notebook = shell, notebook
        self._cells: list[dict[str, Any]] = []
        self._outputs: list[dict[str, Any]] = []
        self._record: Any = None
        self._parameters: Mapping[str, Any] = {}
        self._error = ""
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)
        shell.display_pub.register_hook(self._shown)
        atexit.register(self.end)

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Open a record; one that is open ends here."""
        self.end()
        self._parameters, self._error, self._cells = parameters, "", self._cells[-1:]
        os.environ[PATH_VARIABLE] = str(self._open())

    def end(self) -> None:
        """Seal the record, if one is open, with the verdict that its journal gives."""
        if self._record is None:
            return
        record, self._record = self._record, None
        from pgnb.runbook import pages
        from pgnb.runbook.conclusion import conclude

        for opened in journals.opened():
            opened.elsewhere = self._open
        os.environ.pop(PATH_VARIABLE, None)
        archive = self._archive
        folder: Path = archive.path(record)
        executed = (folder / "notebook.ipynb").exists()
        conclude(archive, record, self._error, lambda: pages.write(folder) if executed else ())

    @property
    def _archive(self) -> Any:
        from pgnb.runbook.records import FOLDER_VARIABLE, Archive

        beside = (
            self._notebook.parent.parent
            if self._notebook.parent.name == "notebooks"
            else self._notebook.parent
        )
        return Archive(Path(os.environ.get(FOLDER_VARIABLE) or beside / "records"))

    def _open(self) -> Path:
        archive = self._archive
        self._record = archive.open(self._notebook, self._parameters)
        folder: Path = archive.path(self._record)
        return (folder / "journal.jsonl").resolve()

    def _before(self, info: Any) -> None:
        self._outputs = []

    def _shown(self, message: dict[str, Any]) -> dict[str, Any]:
        if (
            message.get("msg_type") == "display_data"
            or message.get("header", {}).get("msg_type") == "display_data"
        ):
            content = message["content"]
            kept = _kept(content["data"])
            self._outputs.append({"output_type": "display_data", "data": kept, "metadata": {}})
        return message

    def _after(self, result: Any) -> None:
        """Write the notebook down as it stands; a cell that ended the notebook seals the record."""
        number = result.execution_count
        if result.result is not None:
            data, _ = self._shell.display_formatter.format(result.result)
            kept = _kept(data)
            shown = {"output_type": "execute_result", "execution_count": number, "data": kept, "metadata": {}}
            self._outputs.append(shown)
        error = result.error_in_exec or result.error_before_exec
        if error is not None:
            self._outputs.append(_failed(error))
        self._cells.append(
            {
                "cell_type": "code",
                "id": f"cell-{len(self._cells)}",
                "execution_count": number,
                "metadata": {},
                "source": result.info.raw_cell,
                "outputs": self._outputs,
            }
        )
        if self._record is None:
            return
        at_end = any(one.reached_end for one in journals.opened())
        if error is not None or at_end:
            self._error = type(error).__name__ if error is not None else ""
        self._write(error, at_end=at_end)
        if at_end:
            self.end()

    def _write(self, error: BaseException | None, *, at_end: bool) -> None:
        """The cells, and the latest error: one that was followed by the notebook's end is over."""
        folder: Path = self._archive.path(self._record)
        write_private(folder / "notebook.ipynb", json.dumps({**_FORMAT, "cells": self._cells}))
        if error is not None:
            write_private(folder / "error.txt", f"{type(error).__name__}: {error}\n")
        elif at_end:
            (folder / "error.txt").unlink(missing_ok=True)


def _kept(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return texts and pictures of an output as a notebook stores them: bytes in base64."""
    return {
        kind: b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
        if kind.startswith(("text/", "image/"))
    }


def _failed(error: BaseException) -> dict[str, Any]:
    lines = str(error).splitlines()
    return {
        "output_type": "error",
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": [f"{type(error).__name__}: {lines[0] if lines else ''}", *lines[1:]],
    }


_recorder: list[Recorder] = []


def begin(parameters: Mapping[str, Any]) -> None:
    """Open a record for a run in JupyterLab; nothing where the runner keeps one, or outside JupyterLab."""
    notebook = os.environ.get(_SESSION, "")
    if not notebook or (os.environ.get(PATH_VARIABLE) and not _recorder):
        return
    if not _recorder:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        if shell is None or not hasattr(shell.display_pub, "register_hook"):
            return
        _recorder.append(Recorder(shell, Path(notebook)))
    _recorder[0].begin(parameters)
