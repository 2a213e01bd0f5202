"""Two looks at slots and WAL, and what follows from them."""

from __future__ import annotations

import pytest

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.observe.plots import retention as plot
from pgnb.observe.retention import Retention, SlotRetention, about, between, measure_retention
from pgnb.postgres import Login, Server
from pgnb.postgres.disk import Space
from pgnb.postgres.route import Absent

MB, GB = 1024**2, 1024**3


def _slot(name: str, *, active: bool = True, kept: int | None = 0, status: str = "reserved") -> SlotRetention:
    return SlotRetention(name, active, status, kept, None, None)


def _kept(
    *slots: SlotRetention, rate: float = MB, cap: int | None = 10 * GB, free: int = 50 * GB
) -> Retention:
    return Retention("pod/p", rate, 10.0, 1 * GB, cap, 0, GB, slots, free)


def _row(name: str | None, position: int, retained: int | None) -> dict[str, object]:
    return {
        "position": position,
        "wal_bytes": 3 * GB,
        "cap": -1,
        "keep_size": 0,
        "max_wal_size": GB,
        "name": name,
        "active": True,
        "wal_status": "reserved",
        "safe_wal_size": None,
        "retained": retained,
        "xmin_age": None,
    }


def test_two_looks_give_the_rate_of_wal_and_the_growth_of_each_slot():
    before = [_row("a", 100 * MB, 10 * MB), _row("b", 100 * MB, 5 * MB)]
    after = [_row("a", 120 * MB, 30 * MB), _row("b", 120 * MB, 5 * MB), _row("new", 120 * MB, None)]
    found = between("pod/p", before, after, 10.0, Space("/", 9 * GB, 4 * GB))
    assert found.rate == 2 * MB
    assert [slot.growth for slot in found.slots] == [2 * MB, 0.0, 0.0]
    assert found.cap is None
    assert found.full_at == 7 * GB


def test_a_server_without_slots_has_none():
    found = between("pod/p", [_row(None, 0, None)], [_row(None, MB, None)], 1.0, None)
    assert found.slots == ()
    assert "no slot" in found.finding
    assert found.nearest is None


def test_the_cap_comes_first_when_it_fits_on_the_volume():
    slot = _slot("a", active=False, kept=4 * GB)
    found = _kept(slot)
    assert found.until_cap(slot) == 6 * 1024
    assert found.until_full(slot) is None
    assert (
        "is away: the slot reaches its cap in about 102 minutes at the present rate (1.0 MB/s)"
        in found.finding
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (30, "about 30 s"),
        (7000, "about 117 minutes"),
        (9000, "about 2 hours"),
        (1_223_160, "about 14 days"),
    ],
)
def test_a_time_to_come_is_as_exact_as_its_rate(seconds: float | None, words: str):
    assert about(seconds) == words


def test_without_a_cap_that_acts_in_time_the_volume_is_the_end():
    slot = _slot("a", kept=1 * GB)
    found = _kept(slot, cap=100 * GB, free=4 * GB)
    assert found.until_full(slot) == 4 * 1024
    assert "if its standby stopped now: the volume is full" in found.finding
    failed = [check.name for check in found.checks(Journal()) if not check.ok]
    assert failed == ["the cap is reached before the volume is full", "a: its standby may be away for"]


def test_idle_says_so_instead_of_dividing_by_nothing():
    found = _kept(_slot("a"), rate=0.0)
    assert found.nearest is None
    assert found.finding.endswith("no WAL is written now")
    assert all(check.ok for check in found.checks(Journal()))


def test_an_inactive_slot_is_named_before_an_active_one_that_would_end_sooner():
    found = _kept(_slot("streams", kept=9 * GB), _slot("away", active=False, kept=1 * GB))
    assert found.nearest is not None
    assert found.nearest[0].name == "away"


def test_a_lost_slot_is_the_finding():
    found = _kept(_slot("a"), _slot("gone", active=False, kept=None, status="lost"), rate=0.0)
    assert found.finding == "Lost: gone; its standby needs the WAL from an archive, or a new base backup"
    assert [c.name for c in found.checks(Journal()) if not c.ok] == ["gone: WAL is kept"]


def test_an_old_xmin_is_told():
    slot = SlotRetention("a", False, "reserved", 0, None, 50_000_000)
    assert [c.name for c in _kept(slot, rate=0.0).checks(Journal()) if not c.ok] == ["a: age of xmin"]


@pytest.mark.parametrize("slots", [(), (_slot("a"), _slot("b", active=False, kept=4 * GB))])
@pytest.mark.parametrize("cap", [None, GB, 500 * GB])
def test_the_plot_says_its_finding(slots, cap):
    found = _kept(*slots, cap=cap)
    drawn = plot(found)
    assert drawn.finding == found.finding
    words = " ".join(text.get_text() for axes in drawn.axes for text in axes.texts)
    assert "no slot keeps WAL" in words if not slots else "INACTIVE: 4.0 GB kept" in words


def test_a_rate_takes_time():
    with pytest.raises(ParameterError, match="0\\.1 to 3600"):
        measure_retention(Server(Absent("db", ""), Login("postgres"), Journal()), seconds=0)
