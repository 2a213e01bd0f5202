"""The title of a change of roles: phases, the time without writes, and what was lost, each by its name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pgnb.core.journal import Entry, Journal
from pgnb.observe.phases import PhaseTimer, phases_title, plot_phases
from pgnb.postgres import Login, Server
from pgnb.postgres.route import Absent

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PHASES = [Entry(NOW + timedelta(seconds=4.5 + n), "pod", f"phase {n}", "done", True, 0.5) for n in range(4)]
LOST = Entry(NOW, "pod/old", "commits that the standby does not have", "at most 188", True, 4.5)


def test_a_window_of_lost_commits_is_no_time_without_writes():
    plot = plot_phases("failover", PHASES, None, lost=LOST)
    assert plot.finding == (
        "Failover: 4 phases, 2.0 s; time without writes: not measured;"
        " commits after 03:04:05 UTC did not reach the standby: at most 188"
    )
    (axes,) = plot.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        LOST.what,
        *(one.what for one in PHASES),
    ]
    texts = [text.get_text() for text in axes.texts]
    assert not any("no writes" in text for text in texts)
    assert "4.5 s  at most 188" in texts
    assert "clients may have written during all that time" in plot.get_supxlabel()


def test_the_time_without_writes_is_a_clients():
    silent = (NOW + timedelta(seconds=5), NOW + timedelta(seconds=5.9))
    plot = plot_phases("switchover", PHASES, silent)
    assert plot.finding == "Switchover: 4 phases, 2.0 s; 900 ms without writes (measured by a client)"
    assert "no writes: 900 ms" in [text.get_text() for text in plot.axes[0].texts]


def test_without_a_phase_there_is_nothing_to_say():
    assert phases_title("failover", [], None, "") == ""
    assert plot_phases("failover", [], None).finding == "Nothing was changed"


def test_steps_of_one_phase_count_as_one_and_a_failed_one_is_kept():
    server = Server(Absent("pod/db", ""), Login("postgres"), Journal())
    timer = PhaseTimer(server.journal, server)
    for name in ("stop writes", "stop writes", "fence"):
        with timer(name):
            pass
    with pytest.raises(ValueError), timer("promote"):
        raise ValueError
    assert [(phase.target, phase.what, phase.ok) for phase in timer.entries] == [
        ("pod/db", "stop writes", True),
        ("pod/db", "fence", True),
        ("pod/db", "promote", False),
    ]
