"""The facts that code cites stand in docs/facts.md."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_CITED = re.compile(r"\b[Ff]acts? ((?:\d+(?:-\d+)?(?:, | and )?)+)")


def _numbers(words: str) -> set[int]:
    found: set[int] = set()
    for part in re.findall(r"\d+(?:-\d+)?", words):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_each_fact_that_code_cites_is_there() -> None:
    known = {int(n) for n in re.findall(r"(?m)^\|(\d+)\|", (_ROOT / "docs/facts.md").read_text("utf-8"))}
    assert known == set(range(1, 70))
    cited: set[int] = set()
    for path in [*_ROOT.glob("pgnb/**/*.py"), *_ROOT.glob("pgnb/**/*.sql"), *_ROOT.glob("pgnb/**/*.sh")]:
        for words in _CITED.findall(path.read_text("utf-8")):
            cited |= _numbers(words)
    assert {42, 61, 64} <= cited <= known


def test_nothing_cites_a_guard() -> None:
    """The facts had this name elsewhere."""
    texts = {path: path.read_text("utf-8") for path in _ROOT.glob("pgnb/**/*.py")}
    assert not [str(path) for path, text in texts.items() if re.search(r"\bguards? \d", text, re.IGNORECASE)]
