"""The page of a fleet's report: one HTML file that loads nothing, runs nothing and prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgnb.core.display import format_bytes, format_duration
from pgnb.core.translation import translated
from pgnb.fleet.differences import Difference
from pgnb.fleet.entry import Entry
from pgnb.fleet.report import WORST, Report, Row, format_age
from pgnb.runbook.catalogue import number_of
from pgnb.runbook.summary import VERDICTS
from pgnb.runbook.verdict import Verdict

TEXTS: Mapping[str, tuple[str, str]] = {
    "title": ("Fleet report", "フリートレポート"),
    "as of": ("As of", "作成日時"),
    "records": ("Records in", "記録の保存先"),
    "targets": ("Targets", "対象"),
    "target": ("Target", "対象"),
    "all well": ("without failure", "正常"),
    "failed": ("failed or stopped", "失敗・停止"),
    "silent": ("silent", "記録の途絶"),
    "silent since": ("silent: no record within", "記録の途絶: 次の期間に記録なし"),
    "no record": ("no record at all", "記録が1件もない"),
    "damaged": ("chain of records damaged", "記録の連鎖が破損"),
    "drift": ("Drift", "差異"),
    "with drift": ("with drift", "差異あり"),
    "drift is": (
        "Drift: what differs from what is declared (06), recorded (11) or allowed (10).",
        "差異: 宣言(06)、記録(11)、上限(10)との食い違い。",
    ),
    "lag": ("Lag", "遅延"),
    "worst lag": ("Worst lag", "最大の遅延"),
    "versions": ("PostgreSQL versions", "PostgreSQLのバージョン"),
    "version": ("PostgreSQL", "PostgreSQL"),
    "oldest backup": ("Oldest last backup", "最も古い最終バックアップ"),
    "without backup": ("without any backup found", "バックアップが見つからない対象"),
    "backup": ("Last backup", "最終バックアップ"),
    "verdicts": ("Verdicts of the latest runs", "最新の実行の判定"),
    "when": ("Last record", "最新の記録"),
    "differences": ("Changed since the run before", "前回の実行からの変化"),
    "same": ("nothing", "なし"),
    "first": ("first run", "初回の実行"),
    "age": ("age", "経過時間"),
    "not measured": ("not measured", "未計測"),
    "not connected": ("not connected", "未接続"),
    "none": ("none", "なし"),
    "none found": ("none was found", "見つからない"),
    "check": ("Failed check", "失敗したチェック"),
    "found": ("found", "結果"),
    "wanted": ("wanted", "期待値"),
    "remedy": ("what to do", "対処"),
    "would stop": ("a gate would stop at", "次のゲートで停止する見込み"),
    "changed": ("This run changed", "この実行が変更したもの"),
    "write gap": ("clients could not write for", "クライアントが書き込めなかった時間"),
    "left": ("In the store, but not of this fleet", "保存先にあり、このフリートに属さない対象"),
    "verdict": ("verdict", "判定"),
    "failed checks": ("failed checks", "失敗したチェック"),
    "system_identifier": ("system identifier", "システム識別子"),
    "timeline": ("timeline", "タイムライン"),
    "postgresql": ("PostgreSQL", "PostgreSQL"),
    "servers": ("servers", "サーバー"),
}
"""Each text of the page in English and Japanese."""
_TONES = {Verdict.PASSED: "good", Verdict.PLANNED: "plan", Verdict.WOULD_STOP: "plan"}


@dataclass(frozen=True)
class Words:
    """The page's texts in one language, or in both beside each other."""

    lang: str

    def __call__(self, key: str) -> str:
        """Return a text by its key."""
        return self._chosen(*TEXTS[key])

    def verdict(self, verdict: str) -> str:
        """Return a verdict in words."""
        return self._chosen(*VERDICTS[Verdict(verdict)])

    def own(self, text: str) -> str:
        """Return a check's text, with its translation where there is one."""
        return self._chosen(text, translated(text, "ja"))

    def difference(self, one: Difference) -> tuple[str, str, str]:
        """Return what is different, before and after; names that came are in a place of their own."""
        if one.kind in ("failed checks", "drift"):
            gone = ", ".join(self.own(name) for name in one.before)
            return self(one.kind), gone or "–", f"+{len(one.after)}" if one.after else "–"
        read = self.verdict if one.kind == "verdict" else self._value
        before, after = (", ".join(read(value) for value in side) or "–" for side in (one.before, one.after))
        return self(one.kind), before, after

    def _value(self, text: str) -> str:
        return self(text) if text in TEXTS else self.own(text)

    def _chosen(self, english: str, japanese: str) -> str:
        if self.lang == "both" and english != japanese:
            return f"{english} · {japanese}"
        return japanese if self.lang == "ja" else english


def page(report: Report, lang: str = "both") -> str:
    """Return the report as HTML. `lang`: en, ja or both."""
    from jinja2 import Environment, PackageLoader, select_autoescape  # Loaded where a page is made.

    loader = PackageLoader("pgnb.fleet", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True)
    words = Words(lang)
    return environment.get_template("report.html").render(
        language="ja" if lang == "ja" else "en",
        say=words,
        report=report,
        as_of=_moment(report.at),
        within=format_duration(report.within.total_seconds()) if report.within else "",
        totals=list(_totals(report, words)),
        rows=[_shown(report, row, words) for row in report.rows],
    )


def _totals(report: Report, words: Words) -> Iterator[tuple[str, str, str]]:
    """Label, value and tone of each total."""
    well = sum(1 for row in report.rows if not row.exit_code)
    yield words("targets"), str(len(report.rows)), ""
    yield words("all well"), str(well), "good" if well == len(report.rows) else ""
    yield words("failed"), str(len(report.failed)), "bad" if report.failed else ""
    yield words("silent"), str(len(report.silent)), "bad" if report.silent else ""
    yield words("with drift"), str(len(report.drifting)), "warn" if report.drifting else ""
    if (worst := report.worst_lag) is not None:
        text, tone = _lag(worst, words)
        yield words("worst lag"), f"{text} ({worst.target})", tone
    several = "warn" if len(report.versions) > 1 else ""
    versions = ", ".join(f"{version} × {count}" for version, count in report.versions.items())
    yield words("versions"), versions or "–", several
    if (oldest := report.oldest_backup) is not None and oldest.backup:
        age = format_age(report.at, oldest.backup)
        yield words("oldest backup"), f"{_moment(oldest.backup)}, {age} ({oldest.target})", ""
    if report.without_backup:
        yield words("without backup"), str(len(report.without_backup)), "warn"


def _shown(report: Report, row: Row, words: Words) -> dict[str, Any]:
    """What the page shows of one target."""
    lag, lag_tone = _lag(row, words)
    backup, backup_tone = _backup(row, words)
    newest = row.newest
    return {
        "target": row.target,
        "tone": "bad" if row.exit_code else "warn" if row.drift else "good",
        "state": list(_states(report, row, words)),
        "runs": list(_runs(row, words)),
        "when": _moment(newest.at) if newest else "",
        "age": format_age(report.at, newest.at) if newest else "",
        "drift": None if row.drift is None else [words.own(name) for name in row.drift],
        "lag": (lag, lag_tone, format_age(report.at, row.lag_is_old) if row.lag_is_old else ""),
        "versions": [(one, "" if one == report.usual_version else "warn") for one in row.versions],
        "backup": (backup, backup_tone, format_age(report.at, row.backup) if row.backup else ""),
        "differences": [words.difference(one) for one in row.differences],
        "first": bool(row.latest) and not row.before,
        "troubles": [trouble for entry in row.latest if (trouble := _trouble(entry, words))],
    }


def _states(report: Report, row: Row, words: Words) -> Iterator[str]:
    """What is wrong with a target's records as such."""
    if row.fault:
        yield f"{words('damaged')}: {row.fault}"
    elif row.silent and not row.latest:
        yield words("no record")
    elif row.silent and report.within:
        yield f"{words('silent since')} {format_duration(report.within.total_seconds())}"


def _runs(row: Row, words: Words) -> Iterator[dict[str, str]]:
    """The latest runs by verdict, the worst first."""
    for verdict in WORST:
        same = [entry for entry in row.latest if entry.verdict == verdict]
        if same:
            yield {
                "numbers": " ".join(number_of(entry.notebook) for entry in same),
                "verdict": words.verdict(verdict),
                "tone": _TONES.get(verdict, "bad"),
                "title": "\n".join(f"{one.notebook}, {_moment(one.at)}, #{one.number}" for one in same),
            }


def _trouble(entry: Entry, words: Words) -> dict[str, Any] | None:
    """What is shown unfolded below a target: a run that did not end well, or that changed something."""
    changed, stops = entry.figures.get("changed", ()), entry.figures.get("stops", ())
    gap = entry.figures.get("write_gap")
    if not (entry.exit_code or changed or gap is not None):
        return None
    failed = entry.figures.get("failed", ())
    return {
        "run": entry,
        "verdict": words.verdict(entry.verdict),
        "tone": _TONES.get(Verdict(entry.verdict), "bad"),
        "checks": [{key: words.own(str(one.get(key, ""))) for key in _OF_A_CHECK} for one in failed],
        "more": entry.checks_failed - len(failed),
        "stops": [words.own(str(stop)) for stop in stops],
        "error": entry.error if entry.exit_code and not failed else "",
        "changed": changed,
        "gap": None if gap is None else format_duration(gap),
        "when": _moment(entry.at),
    }


_OF_A_CHECK: Sequence[str] = ("name", "found", "wanted", "remedy")


def _lag(row: Row, words: Words) -> tuple[str, str]:
    lag = row.lag
    if lag is None:
        return words("not measured"), "dim"
    if not lag.get("connected"):
        return f"{words('not connected')}: {lag.get('name')}", "bad"
    seconds = lag.get("seconds")
    size = format_bytes(lag.get("bytes"))
    return (size if seconds is None else f"{size}, {format_duration(seconds)}"), ""


def _backup(row: Row, words: Words) -> tuple[str, str]:
    if row.backup:
        return _moment(row.backup), ""
    return (words("none found"), "warn") if row.backup_known else (words("not measured"), "dim")


def _moment(at: datetime) -> str:
    """A time in this machine's zone, with the zone's name."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"
