"""Plots: the title is the finding; nothing, one and very many values; letters of every kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO

import matplotlib as mpl
import pytest
from matplotlib import font_manager

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Entry
from pgnb.observe import plots
from pgnb.observe.comparison import Comparison, State, TableCount
from pgnb.observe.lag import LagSample, LagSamples, LagSeries, Span
from pgnb.observe.plots import style
from pgnb.observe.topology import Link, Node, Topology
from pgnb.observe.write_log import WriteLog

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STRANGE = "顧客_고객_😀_$x^2$_%s"


def lag_samples(count: int, name: str = "async_replica") -> LagSamples:
    samples = (LagSample(n / 10, n * 1000, "streaming", 1, 2, 3, 4, replayed=n * 990) for n in range(count))
    return LagSamples((LagSeries(name, tuple(samples)),), (Span("load", 0, 1),), began=NOW)


def comparison(count: int, name: str = "t") -> Comparison:
    tables = tuple(TableCount("db", "public", f"{name}{n}", n * n, n * n) for n in range(count))
    return Comparison("p", "s", tables, (State("db", "0/1", True, 1, 0.0),))


def write_log(count: int, name: str = "w") -> WriteLog:
    times = [NOW + timedelta(seconds=n / 50) for n in range(count)]
    return WriteLog(name, list(range(count)), times, NOW + timedelta(seconds=count / 50))


def entries(count: int, name: str = "act") -> list[Entry]:
    return [
        Entry(NOW + timedelta(seconds=n), "pod", f"{name} {n}", "done", n % 3 > 0, 0.5) for n in range(count)
    ]


def topology(count: int, name: str = "standby") -> Topology:
    nodes = [Node(f"{name}-{n}", "standby" if n else "primary", "17.1", 1, "7") for n in range(count)]
    links = [
        Link(nodes[0].name, node.name, "a", "10.0.0.1", "streaming", "async", "s", 5) for node in nodes[1:]
    ]
    return Topology("here", tuple(nodes), tuple(links))


PLOTS: dict[str, Callable[[int, str], plots.Plot]] = {
    "lag": lambda count, name: plots.lag(lag_samples(count, name)),
    "counts": lambda count, name: plots.counts(comparison(count, name)),
    "gaps": lambda count, name: plots.gaps(write_log(count, name), allowed=0.1),
    "timeline": lambda count, name: plots.timeline(entries(count, name)),
    "topology": lambda count, name: plots.topology(topology(count, name)),
}
MANY = {"lag": 10_000, "counts": 2_000, "gaps": 10_000, "timeline": 500, "topology": 8}


def png(plot: plots.Plot) -> bytes:
    buffer = BytesIO()
    plot.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", PLOTS)
@pytest.mark.parametrize("count", [0, 1, -1])
def test_any_number_of_values_can_be_drawn(kind: str, count: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # Of what other modules left to be collected.
        plot = PLOTS[kind](MANY[kind] if count < 0 else count, "name")
        assert png(plot).startswith(b"\x89PNG")
    assert plot.get_suptitle().replace("\n", " ").replace("\u00a0", " ") == plot.finding.replace("\n", " ")


@pytest.mark.parametrize("kind", PLOTS)
def test_letters_of_every_kind_leave_no_empty_box(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each glyph that is missing.
        warnings.simplefilter("ignore", ResourceWarning)  # Of what other modules left to be collected.
        png(PLOTS[kind](3, STRANGE))
    assert "findfont" not in caplog.text


def test_japanese_is_drawn_where_the_system_has_no_japanese_font(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = font_manager.fontManager
    plain = [entry for entry in manager.ttflist if entry.name.startswith(("DejaVu", "STIX", "cm"))]
    monkeypatch.setattr(manager, "ttflist", plain)
    style.families.cache_clear()
    style._letters.cache_clear()
    try:
        assert "IPAexGothic" in style.families()
        assert style.drawable("顧客番号、ひらがな") == "顧客番号、ひらがな"
        assert style.drawable("\U0010fffd") == "\\u{10fffd}"
    finally:
        style.families.cache_clear()
        style._letters.cache_clear()


def test_a_plot_shows_itself_as_a_picture_and_as_its_finding_and_changes_no_setting_of_its_reader() -> None:
    before = dict(mpl.rcParams)
    plot = plots.counts(comparison(3))
    picture, about = plot._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    assert about["width"] == 960
    assert repr(plot) == "<plot: All 3 tables have the same rows on both sides: 5 in total>"


@pytest.mark.parametrize("kind", PLOTS)
@pytest.mark.parametrize("name", ["W" * 150, "postgres-async-replica " * 12, "顧客番号" * 40])
def test_no_text_is_cut_at_the_edge(kind: str, name: str) -> None:
    """However long the names are: titles and footers are wrapped by their measured width."""
    plot = PLOTS[kind](3, name)
    plot.draw_without_rendering()
    width = plot.get_figwidth() * plot.dpi
    for text in (plot._suptitle, plot._supxlabel):
        if text is not None:
            assert text.get_window_extent().x1 <= width + 1, text.get_text()


def test_names_in_the_topology_stay_in_their_boxes_and_begin_with_the_workloads() -> None:
    long = "pod/" + "a-very-long-workload-name-of-a-postgres-standby" * 2 + "-58688cdfd5-plcc2"
    primary = Node("pod/postgres-primary-65f956988b-nv685", "primary", "17.10", 1, "7", host="node" * 20)
    plot = plots.topology(Topology("here", (primary, Node(long, "standby", "17.10", 1, "7")), ()))
    plot.draw_without_rendering()
    (axes,) = plot.axes
    texts = {text.get_text(): text for text in axes.texts}
    assert "postgres-primary" in texts
    assert "pod …-65f956988b-nv685" in texts
    for text in axes.texts:
        box = text.get_window_extent().transformed(axes.transData.inverted())
        assert any(left <= box.x0 and box.x1 <= left + 3.1 for left in (0.0, 6.9)), text.get_text()


def test_differences_are_named_in_the_plot() -> None:
    table = TableCount("db", "public", "orders", 100, 88)
    plot = plots.counts(Comparison("p", "s", (table,), (State("db", "0/1", True, 1, 0.0),)))
    texts = [text.get_text() for text in plot.axes[0].texts]
    assert "-12 (88 of 100)" in texts


def test_tables_without_a_line_of_their_own_are_summed_up() -> None:
    labels = [label.get_text() for label in plots.counts(comparison(300)).axes[0].get_yticklabels()]
    assert len(labels) == 31
    assert labels[-1] == "db: 270 more"


def test_lag_of_one_standby_among_several() -> None:
    two = LagSamples(lag_samples(5, "one").series + lag_samples(5, "two").series)
    assert plots.lag(two, standby="two").finding.startswith("two:")
    with pytest.raises(ParameterError, match="no samples of a standby named 'three'") as caught:
        plots.lag(two, standby="three")
    assert "one, two" in caught.value.found


def test_thresholds_and_marks_are_labelled() -> None:
    plot = plots.lag(lag_samples(20), max_bytes=2048, max_seconds=100)
    texts = [text.get_text() for axes in plot.axes for text in axes.texts]
    assert {"threshold 2.0 kB", "↑ threshold 100.0 s", "load"} <= set(texts)
    assert plot.axes[0].get_ylim()[1] > 2048
    assert plot.axes[1].get_ylim()[1] < 100


@pytest.mark.parametrize(
    ("text", "limit", "wanted"),
    [("short", 10, "short"), ("abcdefghij", 7, "abc…hij"), ("顧客顧客顧客", 7, "顧…客客")],
)
def test_a_long_name_loses_its_middle(text: str, limit: int, wanted: str) -> None:
    shown = style.shortened(text, limit)
    assert style._columns(shown) <= limit
    assert len(shown) == len(wanted)
    assert (shown[0], shown[-1]) == (wanted[0], wanted[-1])
