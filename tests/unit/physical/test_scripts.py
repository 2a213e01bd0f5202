"""Programs for `sh`: each one named in the code exists in its package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgnb
from pgnb import physical, postgres
from pgnb.physical import scripts as physical_scripts
from pgnb.postgres import scripts as postgres_scripts

_ROOMS = {physical: physical_scripts, postgres: postgres_scripts}


def named() -> Iterator[tuple[str, str, object]]:
    """File, program and the package that the file imports as `scripts`."""
    for path in sorted(Path(pgnb.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        homes = {
            f"{node.module}.scripts"
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and any(alias.name == "scripts" for alias in node.names)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("scripts.argv", "scripts.script"):
                names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                yield from ((path.name, str(name), *homes) for name in names)


@pytest.mark.parametrize(("file", "name", "home"), sorted(set(named()), key=str))
def test_each_named_program_is_there(file: str, name: str, home: str) -> None:
    found = next(room for room in _ROOMS.values() if room.__name__ == home)
    assert found.script(name), f"{file}: {home} has no {name}"


def test_programs_are_named() -> None:
    assert {"swap", "passfile"} <= {name for _, name, _ in named()}


def test_what_a_program_prints_is_parsed_line_by_line() -> None:
    printed = "kind=cluster\nnot a pair\nconninfo=host=a port=1 \nempty=\n"
    assert physical_scripts.key_values(printed) == {
        "kind": "cluster",
        "conninfo": "host=a port=1",
        "empty": "",
    }
