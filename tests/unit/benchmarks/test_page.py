"""The page of the benchmarks says what was measured, and whether it is enough."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.figures import Figure, in_turn
from benchmarks.page import PAGE, page


def figure(**given: object) -> Figure:
    values = {"row": "r", "what": "w", "peer": "p", "ours": [1.0, 2.0, 9.0], "peers": [10.0, 10.0, 10.0]}
    return Figure(**(values | given))


def lines(*figures: Figure) -> dict[str, list[str]]:
    found = [line for line in page(figures, target="here", seconds=60).splitlines() if line.startswith("| ")]
    return {
        cells[0]: cells for line in found if (cells := [cell.strip() for cell in line.strip("|").split("|")])
    }


@pytest.mark.parametrize(
    ("given", "met"),
    [
        ({"goal": 0.2}, True),
        ({"goal": 0.19}, False),
        ({"goal": 0.2, "side": "at least"}, True),
        ({"goal": 0.3, "side": "at least"}, False),
        ({"goal": 2.0, "absolute": True}, True),
        ({"goal": 1.5, "absolute": True}, False),
        ({}, None),
        ({"goal": 0.2, "ours": [], "peers": []}, None),
    ],
)
def test_a_goal_is_met_by_the_median_of_the_ratios_or_of_our_own_figures(given, met):
    assert figure(**given).met is met


def test_a_row_shows_both_sides_the_ratio_with_its_spread_and_the_goal():
    row = lines(figure(goal=0.1))["r"]
    assert row == ["r", "w", "2 s", "10 s", "0.2 [0.1–0.9]", "≤ 0.1", "**no**", "3"]
    assert lines(figure(ours=[0.004], peers=[]))["r"][2:] == ["4 ms", "–", "–", "–", "–", "1"]


def test_every_row_has_as_many_cells_as_the_head():
    table = [
        line for line in page([figure()], target="here", seconds=60).splitlines() if line.startswith("|")
    ]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 3


def test_the_page_says_when_on_what_and_what_is_missing():
    text = page([figure()], target="rehearsal", seconds=90, failed=["backup: no room"])
    for said in (
        "- cluster: rehearsal",
        "- commit: ",
        "- date: ",
        "cores",
        "took: 1.5 min",
        "backup: no room",
    ):
        assert said in text


def test_the_commit_is_dirty_if_anything_but_the_page_differs_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, written = tmp_path / "measured.py", tmp_path / PAGE
    written.parent.mkdir()
    measured.write_text("1\n")
    written.write_text("the last run\n")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for argv in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *argv], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    written.write_text("the first rows of this run\n")
    assert "-dirty" not in page([figure()], target="here", seconds=1)
    measured.write_text("2\n")
    assert "-dirty" in page([figure()], target="here", seconds=1)


def test_both_sides_take_turns():
    order: list[str] = []
    mine, others = in_turn(lambda: order.append("ours"), lambda: order.append("peer"), 2)
    assert order == ["ours", "peer", "ours", "peer"]
    assert len(mine) == len(others) == 2
