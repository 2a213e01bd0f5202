"""The ten questions that an auditor asks of a run, answered from its record, in English and Japanese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pgnb.core.display import format_duration
from pgnb.core.errors import ParameterError
from pgnb.core.journal import FIGURE
from pgnb.runbook import catalogue, params
from pgnb.runbook.catalogue import number_of
from pgnb.runbook.plans import is_plan
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Evidence, Verdict
from pgnb.runbook.verdict import read as read_evidence

_GAP = "longest gap in its writes"
"""The check by which a writing client says how long it could not write."""
_PLACES = ("cluster", "context", "namespace", "user")
"""Facts that answer where and who."""
QUESTIONS: Mapping[str, tuple[str, str]] = {
    "asked": ("Who asked", "依頼者"),
    "approved": ("Who approved", "承認者"),
    "ran": ("Who ran it", "実行者"),
    "when": ("When", "日時"),
    "where": ("Where", "対象"),
    "planned": ("What was planned", "計画した変更"),
    "changed": ("What was changed", "実際の変更"),
    "checked": ("What was checked", "確認した項目"),
    "service": ("How long clients could not write", "クライアントが書き込めなかった時間"),
    "undo": ("How it is undone", "元に戻す方法"),
    "open": ("What is open", "残っている事項"),
    "next": ("Next step", "次の手順"),
    "facts": ("Further facts", "その他の事実"),
}
VERDICTS: Mapping[str, tuple[str, str]] = {
    Verdict.PASSED: ("passed", "成功"),
    Verdict.PLANNED: ("planned, nothing was changed", "計画のみ(変更なし)"),
    Verdict.WOULD_STOP: ("planned, and a gate would stop it", "計画のみ(ゲートで止まる見込み)"),
    Verdict.FAILED: ("failed", "失敗"),
    Verdict.UNREACHABLE: (
        "the API server could not be reached, nothing was changed",
        "APIサーバーに接続できず(変更なし)",
    ),
    Verdict.STOPPED: ("stopped at a gate before anything was changed", "変更前にゲートで停止"),
    Verdict.STOPPED_LATER: ("stopped at a gate after changes", "変更後にゲートで停止"),
    Verdict.INCOMPLETE: ("incomplete", "未完了"),
    Verdict.TIMEOUT: ("timed out", "時間切れ"),
    Verdict.INTERRUPTED: ("interrupted", "中断"),
    Verdict.KILLED: ("killed", "強制終了"),
    Verdict.RUNNING: ("still running", "実行中"),
}
LANGUAGES = ("en", "ja")
_AFTER = {
    "01": "02",
    "02": "03",
    "03": "04",
    "04": "05",
    "06": "04",
    "09": "04",
    "12": "12_09",
    "12_10": "12_09",
}
"""The section that a reader goes on with, by the one that passed; none where the procedure has none."""


@dataclass(frozen=True)
class Answer:
    """One question and its answer, a line each."""

    key: str
    question: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What a record says, in one language."""

    record: Record
    verdict: str
    answers: tuple[Answer, ...]

    def __getitem__(self, key: str) -> Answer:
        return next(answer for answer in self.answers if answer.key == key)

    @property
    def text(self) -> str:
        """The answers as plain text."""
        lines = [f"#{self.record.number} {self.record.notebook}: {self.verdict}"]
        for answer in self.answers:
            first, *more = answer.lines
            lines += [f"{answer.question}: {first}", *(f"    {line}" for line in more)]
        return "\n".join(lines)

    @property
    def markdown(self) -> str:
        """The answers as Markdown, for a mail, a ticket or a chat."""
        lines = [f"**{self.record.notebook}: {self.verdict}** (record {self.record.number})", ""]
        for answer in self.answers:
            if len(answer.lines) == 1:
                lines.append(f"- **{answer.question}**: {answer.lines[0]}")
            else:
                lines += [f"- **{answer.question}**:", *(f"  - {line}" for line in answer.lines)]
        return "\n".join(lines)


def summary_of(archive: Archive, record: Record, language: str = "en") -> Summary:
    """Return the answers of a record. `language`: en or ja; what was done is in the record's own words."""
    place = LANGUAGES.index(language)
    evidence = read_evidence(archive.path(record) / "journal.jsonl")
    texts = {
        "asked": _asked(record, place),
        "approved": _approved(record, place),
        "ran": _ran(record),
        "when": _when(record),
        "where": _where(record),
        "planned": _planned(record, evidence, place),
        "changed": tuple(_changed(evidence)) or (("nothing", "なし")[place],),
        "checked": _checked(evidence, place),
        "service": _service(evidence, place),
        "undo": _undo(record, evidence, place),
        "open": tuple(_open(record, evidence)) or (("nothing", "なし")[place],),
        "next": _next(record, place),
        "facts": tuple(_further(record)),
    }
    answers = tuple(Answer(key, QUESTIONS[key][place], lines) for key, lines in texts.items() if lines)
    return Summary(record, VERDICTS[Verdict(record.verdict)][place], answers)


def _asked(record: Record, place: int) -> tuple[str, ...]:
    approval = record.approval
    if not approval:
        return (("no approval was asked for", "承認依頼なし")[place],)
    return (
        f"{approval['asker']}, {_local(approval['asked'])}",
        f"{approval['ticket']}: {approval['reason']}",
    )


def _approved(record: Record, place: int) -> tuple[str, ...]:
    approval = record.approval
    if not approval:
        return (("nobody: no approval was asked for", "承認なし")[place],)
    window = f"{_local(approval['opens'])} – {_local(approval['closes'])}"
    plan = f"#{approval['record']}, {str(approval['digest'])[:16]}"
    return (
        f"{approval['approver']} ({approval['key']})",
        f"{('window', '実施時間帯')[place]}: {window}",
        f"{('plan', '計画')[place]}: {plan}",
    )


def _ran(record: Record) -> tuple[str, ...]:
    kubernetes = record.facts.get("user")
    lines = [f"{record.who} on {record.host}"]
    if kubernetes:
        lines.append(f"Kubernetes: {kubernetes}")
    lines.append(f"pgnb {record.pgnb}, commit {record.commit or 'unknown'}")
    return tuple(lines)


def _when(record: Record) -> tuple[str, ...]:
    return (f"{_local(record.started)}, {format_duration(record.seconds)}",)


def _where(record: Record) -> tuple[str, ...]:
    facts = record.facts
    place = ", ".join(f"{name} {facts[name]}" for name in _PLACES[:3] if facts.get(name))
    servers = (
        f"{server.get('role') or 'server'} {server['pod']}: PostgreSQL {server.get('postgresql')},"
        f" system identifier {server.get('system_identifier')}, timeline {server.get('timeline')}"
        for server in record.servers
    )
    return (place or "–", *servers)


def _planned(record: Record, evidence: Evidence, place: int) -> tuple[str, ...]:
    if titles := tuple(dict.fromkeys(str(one["title"]) for one in evidence.planned)):
        return titles
    if record.approval:
        more = record.approval.get("beyond") or ()
        plan = f"{('as approved: record', '承認どおり: 記録')[place]} {record.approval['record']}"
        later = ("not in the plan, since they depend on it", "計画後に決まった変更")[place]
        beyond = f"{later}: {', '.join(more)}"
        return (plan, beyond) if more else (plan,)
    return (("not planned beforehand", "事前の計画なし")[place],)


def _changed(evidence: Evidence) -> Iterator[str]:
    ends = {(act["at"], act["target"], act["what"]): act for act in evidence.acts}
    for act in evidence.opened:
        if str(act["at"]) not in evidence.changed.at:
            continue
        end = ends.get((act["at"], act["target"], act["what"]))
        result = f" → {end['result']} ({format_duration(end.get('seconds'))})" if end else " → did not end"
        at = datetime.fromisoformat(str(act["at"])).astimezone()
        yield f"{at:%H:%M:%S %Z} {act['target']}: {act['what']}{result}"


def _checked(evidence: Evidence, place: int) -> tuple[str, ...]:
    passed, failing = (("passed", "failed"), ("件成功", "件失敗"))[place]
    counts = f"{evidence.passed_checks} {passed}, {len(evidence.failed_checks)} {failing}"
    failed = (f"✗ {item['name']}: {item.get('found')}" for item in evidence.failed_checks)
    tables = [str(table["title"]) for table in evidence.checks]
    return (counts, *failed, *dict.fromkeys(tables))


def _service(evidence: Evidence, place: int) -> tuple[str, ...]:
    found = [str(i.get("found")) for table in evidence.checks for i in table["items"] if i["name"] == _GAP]
    return tuple(found) or (("not measured", "未計測")[place],)


def _undo(record: Record, evidence: Evidence, place: int) -> tuple[str, ...]:
    if is_plan(record) or not evidence.changed:
        return (("nothing was changed", "変更なし")[place],)
    words = tuple(f"{title}: {undo}" for title, undo in evidence.undo if undo)
    command = f"pgnb run {number_of(record.notebook)} --undo {record.number}"
    return ((command, *words) if "undo_record" in _declared(record) else words) or ("–",)


def _declared(record: Record) -> frozenset[str]:
    try:
        (notebook,) = catalogue.select([number_of(record.notebook)])
        return frozenset(parameter.name for parameter in params.declared(notebook))
    except (ParameterError, ValueError):
        return frozenset()  # A notebook that is not here any more.


def _open(record: Record, evidence: Evidence) -> Iterator[str]:
    if record.error:
        yield record.error.splitlines()[0]
    yield from (
        f"{item['name']}: {item.get('remedy') or item.get('found')}" for item in evidence.failed_checks
    )
    yield from (f"a gate would stop: {stop}" for stop in evidence.would_stop)
    yield from (f"may have been changed: {text}" for text in evidence.changed.possible)
    advice = (i for table in evidence.checks for i in table["items"] if not i["ok"] and i.get("advice"))
    yield from (f"advice: {item['name']}: {item.get('found')}" for item in advice)


def _further(record: Record) -> Iterator[str]:
    """The facts that no other question asks for; figures are in the checks' tables, in a reader's units."""
    for name, value in record.facts.items():
        if name not in _PLACES and not name.startswith(FIGURE):
            yield f"{name}: {value}"


def _next(record: Record, place: int) -> tuple[str, ...]:
    """What a reader does now: as the error says, or the section that follows."""
    if remedy := [
        line.split("remedy:", 1)[1].strip() for line in record.error.splitlines() if "remedy:" in line
    ]:
        return tuple(remedy)
    if is_plan(record):
        return (f"pgnb records request {record.number or 'N'}", "pgnb run … -p dry_run false")
    if record.verdict == Verdict.PASSED and (after := _AFTER.get(number_of(record.notebook))):
        return (f"pgnb run {after}",)
    return (("nothing", "なし")[place],) if record.verdict == Verdict.PASSED else ("pgnb status",)


def _local(moment: str) -> str:
    """A time in this machine's zone with the zone's name, and in UTC."""
    at = datetime.fromisoformat(moment)
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z} ({at:%Y-%m-%d %H:%M:%S} UTC)"
