"""The report says what is wrong first, what changed, and who is silent; in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pgnb.core.errors import ParameterError
from pgnb.fleet.differences import Difference, differences
from pgnb.fleet.entry import Entry
from pgnb.fleet.objects import Objects
from pgnb.fleet.page import TEXTS, page
from pgnb.fleet.report import Report, Row, gather, report
from pgnb.fleet.store import RecordStore

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_MB = 1 << 20
_WELL = {"name": "standby", "bytes": 100.0, "seconds": 0.1, "connected": True}


def an_entry(notebook: str = "00_overview", *, hours: float = 1.0, **given: Any) -> Entry:
    """An entry of a run that began so many hours ago; its place in a chain is set by `fill`."""
    at = (_NOW - timedelta(hours=hours)).isoformat()
    server = {"pod": "p-0", "postgresql": "17.6", "role": "primary", "system_identifier": "7", "timeline": 1}
    usual: dict[str, Any] = {
        "verdict": "passed",
        "started": at,
        "ended": at,
        "seconds": 2.0,
        "servers": (server,),
    }
    return Entry(
        **({"number": 0, "seal": "", "previous": "", "name": "", "notebook": notebook} | usual | given)
    )


class Filled:
    """A store on a disk, with entries as pushes leave them."""

    def __init__(self, folder: Path) -> None:
        self.url = f"file://{folder}/store"
        self._objects = Objects.at(self.url)
        self._numbers = count(1)
        self._chains: dict[str, list[Entry]] = {}

    def add(self, target: str, *entries: Entry) -> Filled:
        chain = self._chains.setdefault(target, [])
        for entry in entries:
            number, previous = len(chain) + 1, chain[-1].seal if chain else ""
            serial = next(self._numbers)
            place = {
                "number": number,
                "previous": previous,
                "seal": f"{serial:064x}",
                "name": f"run-{serial}",
            }
            chain.append(Entry(**(vars(entry) | place)))
            self._objects.create(f"{target}/chain/{number:08d}.json", chain[-1].line)
        self._objects.write({f"{target}/index.jsonl": b"".join(one.line for one in chain)})
        return self

    def report(self, **given: Any) -> Report:
        return gather(RecordStore.at(self.url), "nightly", **({"at": _NOW} | given))


@pytest.fixture
def store(tmp_path: Path) -> Filled:
    return Filled(tmp_path)


def rows(report: Report) -> dict[str, Row]:
    return {row.target: row for row in report.rows}


FAILED = {
    "verdict": "failed",
    "error": "VerificationFailed: Diagnosis: not as wanted",
    "checks_failed": 1,
    "figures": {
        "failed": [
            {
                "name": "no WAL receiver is running: pod/<standby>",
                "found": "the receiver ended",
                "wanted": "no finding",
                "remedy": "Look at its log.",
            }
        ]
    },
}


def test_the_worst_target_is_the_first(store):
    store.add("well", an_entry(figures={"lag": _WELL}))
    store.add("behind", an_entry(figures={"lag": _WELL | {"bytes": 9.0 * _MB}}))
    store.add("drifts", an_entry("10_monitoring", figures={"drift": ["a: age"]}))
    store.add("away", an_entry(figures={"lag": _WELL | {"connected": False, "bytes": None}}))
    store.add("failed", an_entry("08_troubleshooting", **FAILED))
    store.add("halfway", an_entry("06_online_changes", verdict="stopped after changes", changes=2))
    store.add("silent", an_entry(hours=80))
    store.add("broken", an_entry())
    Objects.at(store.url).write({"broken/index.jsonl": b"?\n"})
    found = store.report(within=timedelta(hours=26), targets=[*rows(store.report()), "never"])
    assert [row.target for row in found.rows] == [
        "broken",
        "halfway",
        "failed",
        "never",
        "silent",
        "away",
        "drifts",
        "behind",
        "well",
    ]
    assert [row.target for row in found.silent] == ["never", "silent"]
    assert [row.target for row in found.failed] == ["broken", "halfway", "failed"]
    assert found.worst_lag is not None and found.worst_lag.target == "away"
    assert found.exit_code == 1


def test_the_exit_status_is_that_of_the_worst(store):
    store.add("one", an_entry(), an_entry("01_prerequisites", verdict="planned"))
    assert store.report().exit_code == 0
    store.add("two", an_entry(hours=80))
    assert store.report().exit_code == 0
    assert store.report(within=timedelta(days=2)).exit_code == 4
    assert store.report(targets=["one", "never"]).exit_code == 4
    store.add("three", an_entry(verdict="timed out"))
    assert store.report(within=timedelta(days=2)).exit_code == 5
    store.add("four", an_entry(verdict="stopped after changes"))
    assert store.report().exit_code == 6


def test_only_the_latest_run_of_a_notebook_counts(store):
    store.add("shop", an_entry(hours=3, **FAILED), an_entry("10_monitoring", hours=2), an_entry(hours=1))
    found = store.report()
    assert found.exit_code == 0
    (row,) = found.rows
    assert [entry.notebook for entry in row.latest] == ["00_overview", "10_monitoring"]
    assert Difference("verdict", ("failed",), ("passed",)) in row.differences


def test_a_run_that_was_stored_late_is_not_the_latest(store):
    store.add("shop", an_entry(hours=1), an_entry(hours=3, **FAILED))
    assert store.report().exit_code == 0


def test_only_the_named_notebooks_count(store):
    store.add("shop", an_entry(), an_entry("08_troubleshooting", **FAILED))
    assert store.report(notebooks=["00"]).exit_code == 0
    assert store.report(notebooks=["00", "08"]).exit_code == 1


def test_figures_come_from_the_newest_run_that_has_them(store):
    backup = {"ended": "2026-02-27T12:00:00+00:00", "source": "cronjob/backup"}
    store.add(
        "shop",
        an_entry("10_monitoring", hours=5, figures={"lag": _WELL, "drift": ["a: age"]}),
        an_entry("11_practices", hours=4, figures={"last_backup": backup, "drift": ["configuration of p"]}),
        an_entry("00_overview", hours=3, figures={"lag": _WELL | {"bytes": 7.0}, "versions": ["17.6"]}),
        an_entry("01_prerequisites", hours=2),
    )
    (row,) = store.report().rows
    assert row.lag is not None and row.lag["bytes"] == 7.0
    assert row.drift == ("a: age", "configuration of p")
    assert row.backup == _NOW - timedelta(days=2) and row.backup_known
    assert row.versions == ("17.6",)
    assert row.newest is not None and row.newest.notebook == "01_prerequisites"


def test_a_lag_of_an_earlier_day_says_how_old_it_is(store):
    store.add("shop", an_entry("10_monitoring", hours=30, figures={"lag": _WELL}), an_entry(hours=2))
    found = store.report()
    assert found.rows[0].lag_is_old == _NOW - timedelta(hours=30)
    assert "age: 30 h 0 min" in page(found, "en")
    store.add("shop", an_entry("10_monitoring", hours=2.5, figures={"lag": _WELL}))
    assert store.report().rows[0].lag_is_old is None


def test_what_was_not_looked_at_is_not_called_none(store):
    (row,) = store.add("shop", an_entry()).report().rows
    assert (row.lag, row.drift, row.backup, row.backup_known) == (None, None, None, False)
    none = {"last_backup": {"ended": None, "source": None}, "drift": []}
    (row,) = store.add("shop", an_entry("11_practices", figures=none)).report().rows
    assert (row.drift, row.backup, row.backup_known) == ((), None, True)
    assert store.report().without_backup == (row,)


def test_versions_are_counted_and_the_rarer_ones_stand_out(store):
    for name, version in (("a", "17.6"), ("b", "17.6"), ("c", "16.9")):
        store.add(name, an_entry(figures={"versions": [version]}))
    found = store.report()
    assert found.versions == {"17.6": 2, "16.9": 1} and found.usual_version == "17.6"
    assert page(found, "en").count('<span class="t-warn">16.9</span>') == 1


def test_targets_that_left_the_fleet_are_named_and_not_judged(store):
    store.add("here", an_entry()).add("gone", an_entry(**FAILED))
    found = store.report(targets=["here"])
    assert found.left == ("gone",) and found.exit_code == 0
    assert "In the store, but not of this fleet: gone" in page(found, "en")


def differing(before: Entry, after: Entry) -> set[Difference]:
    return set(differences(before, after))


def test_between_two_runs_servers_timeline_and_figures_are_compared():
    one = {"pod": "p-0", "postgresql": "17.5", "role": "primary", "system_identifier": "7", "timeline": 1}
    two = {"pod": "p-1", "postgresql": "17.5", "role": "standby", "system_identifier": "7", "timeline": 1}
    before = an_entry(servers=(one, two), figures={"lag": _WELL, "drift": ["a", "b"]})
    after = an_entry(
        servers=(two | {"role": "primary", "timeline": 2, "postgresql": "17.6"},),
        figures={"lag": _WELL | {"bytes": 50.0 * _MB}, "drift": ["b", "c"]},
    )
    assert differing(before, after) == {
        Difference("postgresql", ("17.5",), ("17.6",)),
        Difference("timeline", ("1",), ("2",)),
        Difference("servers", ("1 primary", "1 standby"), ("1 primary",)),
        Difference("drift", ("a",), ("c",)),
        Difference("lag", ("100 B, 100 ms",), ("50.0 MB, 100 ms",)),
    }


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (_WELL, _WELL | {"bytes": 90_000.0, "seconds": 0.9}, False),
        (_WELL | {"bytes": 10.0 * _MB}, _WELL | {"bytes": 15.0 * _MB}, False),
        (_WELL | {"bytes": 10.0 * _MB}, _WELL | {"bytes": 25.0 * _MB}, True),
        (_WELL, _WELL | {"seconds": 5.0}, True),
        (_WELL | {"connected": False}, _WELL, True),
    ],
)
def test_a_lag_that_is_noise_is_no_difference(then, now, told):
    found = differing(an_entry(figures={"lag": then}), an_entry(figures={"lag": now}))
    assert bool(found) is told


def test_a_backup_that_went_away_and_new_failures_are_differences():
    backup = {"ended": "2026-02-27T12:00:00+00:00", "source": "x"}
    before = an_entry(figures={"last_backup": backup})
    after = an_entry(**(FAILED | {"figures": FAILED["figures"] | {"last_backup": {"ended": None}}}))
    assert differing(before, after) == {
        Difference("verdict", ("passed",), ("failed",)),
        Difference("failed checks", (), ("no WAL receiver is running: pod/<standby>",)),
        Difference("backup", (f"{(_NOW - timedelta(days=2)).astimezone():%Y-%m-%d %H:%M %Z}",), ("none",)),
    }


def test_another_pod_of_the_same_server_is_no_difference():
    renamed = {**an_entry().servers[0], "pod": "p-1"}
    assert differences(an_entry(), an_entry(servers=(renamed,))) == ()


def test_the_terminal_s_table_has_a_line_a_target_and_what_failed(store):
    store.add("well", an_entry(figures={"versions": ["17.6"], "lag": _WELL}))
    store.add("failed", an_entry("08_troubleshooting", **FAILED))
    text = str(store.report(targets=["well", "failed", "never"]).table)
    first, _, _, *lines = text.splitlines()
    assert first == "Fleet nightly: 3 targets, 1 failed or stopped, 1 silent, 0 with drift"
    assert [line.split()[0] for line in lines[:3]] == ["failed", "never", "well"]
    assert "failed (08)" in lines[0] and "no record" in lines[1] and "17.6" in lines[2]
    assert lines[3] == (
        "failed, 08: no WAL receiver is running: pod/<standby>: the receiver ended (wanted no finding)"
    )


def test_the_page_shows_failed_checks_unfolded_and_runs_and_loads_nothing(store):
    changed = {"changed": ["pod/p: reload"], "write_gap": 1.5}
    store.add("failed", an_entry("08_troubleshooting", **FAILED))
    store.add("changed", an_entry("06_online_changes", changes=1, figures=changed))
    text = page(store.report(), "both")
    assert "no WAL receiver is running: pod/&lt;standby&gt;" in text
    assert "the receiver ended" in text and "Look at its log." in text
    assert "pod/p: reload" in text and "1.5 s" in text
    assert "<details" not in text and "<script" not in text
    assert not re.search(r"(src|href)\s*=|url\(|@import", text)
    assert "default-src 'none'" in text


def test_the_page_is_in_either_language_or_in_both(store):
    store.add("shop", an_entry(verdict="stopped at a gate"))
    english, japanese, both = (
        report(RecordStore.at(store.url), "nightly", targets=["shop", "never"], lang=lang)
        for lang in ("en", "ja", "both")
    )
    assert "Fleet report: nightly" in english and "フリート" not in english
    assert "フリートレポート: nightly" in japanese and "Failed" not in japanese
    assert "変更前にゲートで停止" in japanese and "記録が1件もない" in japanese
    assert '<html lang="ja">' in japanese
    assert "Fleet report · フリートレポート: nightly" in both
    with pytest.raises(ParameterError, match="cannot be in"):
        report(RecordStore.at(store.url), "nightly", lang="fr")


def test_a_check_s_name_has_its_japanese_beside_it(store):
    item = {"name": "WAL receiver streams", "found": "no", "wanted": "yes", "remedy": ""}
    store.add("shop", an_entry(verdict="failed", checks_failed=1, figures={"failed": [item]}))
    assert "WAL receiver streams · WALレシーバーのストリーミング" in page(store.report())


def used_texts() -> Iterator[str]:
    folder = Path(page.__code__.co_filename).parent
    sources = [(folder / "page.py").read_text("utf-8"), (folder / "templates/report.html").read_text("utf-8")]
    for source in sources:
        yield from re.findall(r"""(?:words|say)\(["']([^"']+)["']\)""", source)
    yield from re.findall(r'Difference\("([^"]+)"', (folder / "differences.py").read_text("utf-8"))


def test_every_text_of_the_page_is_used_and_every_used_one_is_there():
    dynamic = {"system_identifier", "timeline", "postgresql", "failed checks", "drift"}
    assert set(used_texts()) | dynamic == set(TEXTS)


def test_an_empty_store_has_a_page(store):
    Path(store.url.removeprefix("file://")).mkdir()
    found = store.report()
    assert found.exit_code == 0 and not found.rows
    assert "Targets" in page(found) and "0 targets" in str(found.table)
