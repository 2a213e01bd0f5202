"""The notebooks' own cells, run here without a kernel: the same text, the same order, the same parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any, TextIO

import nbformat

from pgnb.runbook import catalogue, params

Names = dict[str, Any]


@contextmanager
def performed(number: str, given: Mapping[str, Any], shown: TextIO | None = None) -> Iterator[Names]:
    """Every cell of the notebook of that number, with these parameters; the names that it leaves behind.

    What a reader would see of the cells is written to `shown`.
    """
    path = catalogue.select([number])[0]
    names: Names = params.validate(path, given, given)
    try:
        with redirect_stdout(shown or StringIO()):
            for cell in nbformat.read(path, as_version=4).cells:
                if cell.cell_type == "code":
                    names.setdefault("In", [""]).append(cell.source)
                    _run(cell.source, names, given if "parameters" in cell.metadata.get("tags", ()) else {})
        yield names
    finally:
        _close(names)


def _run(source: str, names: Names, given: Mapping[str, Any]) -> None:
    """A cell; its last expression is shown, in the forms that a kernel would."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    names.update({key: value for key, value in given.items() if key in names})
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        if value is not None:
            print(value)
            assert str(value)
        if hasattr(value, "_repr_html_"):
            print(value._repr_html_())


def _close(names: Names) -> None:
    for value in list(names.values()):
        for one in value if isinstance(value, tuple | list) else (value,):
            if type(one).__name__ in ("Server", "Cluster"):
                one.close()
