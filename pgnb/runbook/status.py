"""`pgnb status`: the overview of notebook 00 on one screen, without a kernel and without a record."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pgnb.core.journal import Journal
from pgnb.runbook.params import TAG

_LEFT_OUT = ("check_parameters", "plots", "finish", "connect")
"""Calls of a cell's last line whose result is no state of the databases."""


def overview(notebook: Path, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Run the notebook's cells in this process, plan only; yield what each shows, as text.

    `parameters` must be valid (params.validate). Sessions are closed in the end. Raises what the cells raise.
    """
    names: dict[str, Any] = {"In": [""]}
    given = {**parameters, "dry_run": "true"}
    try:
        for source, tags in _cells(notebook):
            names["In"].append(source)
            value = _run(source, names)
            if TAG in tags:
                names.update(given)
            elif value is not None:
                yield str(value)
    finally:
        for value in list(names.values()):
            _close(value)


def _cells(notebook: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"]), tuple(cell["metadata"].get("tags", ()))


def _run(source: str, names: dict[str, Any]) -> object:
    """Run one cell, and return what its last line gives, where that is worth a line on the screen."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if not isinstance(last, ast.Expr) or ".plots." in (text := ast.unparse(last)):
        return None
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return None if any(f".{name}(" in text for name in _LEFT_OUT) or text == "cluster" else value


def _close(value: object) -> None:
    for one in value if isinstance(value, tuple | list) else (value,):
        if isinstance(getattr(one, "journal", None), Journal) and hasattr(one, "close"):
            one.close()
