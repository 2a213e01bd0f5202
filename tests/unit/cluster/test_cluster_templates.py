"""Templates of manifests: what they may reach, and what is said of one that gives no manifests."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from pgnb.cluster.templates import rendered
from pgnb.core.errors import ParameterError

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ name | tojson }}\n"
VALUES = {"name": "standby", "labels": {"app": "standby"}}


def of_file(folder: Path, content: str | bytes) -> list[dict[str, object]]:
    file = folder / "mine.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return rendered(str(file), "standby.yaml", VALUES)


def test_values_are_filled_in_as_values(tmp_path: Path) -> None:
    (file,) = of_file(tmp_path, MANIFEST)
    assert file["metadata"] == {"name": "standby"}


@pytest.mark.parametrize(
    "expression",
    [
        "cycler.__init__.__globals__.os.popen('touch ' ~ name).read()",
        "name.__class__.__mro__[1].__subclasses__()",
        "labels.__init__.__globals__",
    ],
)
def test_a_template_is_no_program(tmp_path: Path, expression: str) -> None:
    with pytest.raises(ParameterError, match=r"mine\.yaml cannot be read") as caught:
        of_file(tmp_path, f"{MANIFEST}data:\n  a: {{{{ {expression} }}}}\n")
    assert "unsafe" in caught.value.found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (MANIFEST.encode() + b"# caf\xe9\n", "is not UTF-8"),
        (MANIFEST + "data: {{ 1 / 0 }}\n", "cannot be read"),
        (MANIFEST + "data: {{ name + 1 }}\n", "cannot be read"),
        (MANIFEST + "data: " + "[" * 5000, "cannot be read"),
        ("hello\n", "something else than objects"),
        ("- a\n- b\n", "something else than objects"),
        ("kind: Deployment\nmetadata: x\n", "something else than objects"),
        ("metadata: {name: x}\n", "something else than objects"),
    ],
)
def test_a_file_that_gives_no_manifests(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as caught:
        of_file(tmp_path, content)
    assert "mine.yaml" in caught.value.message
    assert caught.value.found
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["standby.yaml", "subscriber.yaml"])
def test_what_is_filled_in_can_be_nothing_but_a_value(name: str) -> None:
    text = (files("pgnb") / "manifests" / name).read_text(encoding="utf-8")
    filled = re.findall(r"\{\{ (.*?) \}\}", text)
    assert len(filled) > 20
    assert {each for each in filled if not each.endswith("| tojson")} <= {"port", "replicas"}, "numbers"
