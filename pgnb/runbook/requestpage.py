"""The page of a request for approval: what would be changed, where, when, by whom; one HTML file for A4."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from pgnb.core.display import format_duration
from pgnb.core.private import write_private
from pgnb.runbook.approval import Request, folder_of
from pgnb.runbook.plans import plan_of
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Verdict

LABELS: Mapping[str, tuple[str, str]] = {
    "title": ("Request for approval", "変更承認依頼"),
    "ticket": ("Ticket", "チケット"),
    "reason": ("Reason", "理由"),
    "asker": ("Asked by", "依頼者"),
    "asked": ("Asked at", "依頼日時"),
    "window": ("Window", "実施時間帯"),
    "target": ("Target", "対象"),
    "cluster": ("Cluster", "クラスター"),
    "namespace": ("Namespace", "ネームスペース"),
    "server": ("Server", "サーバー"),
    "identifier": ("system identifier", "システム識別子"),
    "operation": ("Operation", "作業"),
    "estimate": ("Expected duration", "所要時間の見込み"),
    "unmeasured": ("not measured: no run of it has passed yet", "未計測(成功した実行がまだありません)"),
    "from_runs": ("median of runs that passed", "成功した実行の中央値、件数"),
    "changes": ("Changes", "変更内容"),
    "step": ("step", "手順"),
    "where": ("target", "対象"),
    "needs": ("Confirmed by name", "名前による確認"),
    "undo": ("Undo", "元に戻す方法"),
    "no_undo": ("none of its own: see the notebook", "個別にはありません(ノートブックを参照)"),
    "parameters": ("Parameters", "パラメーター"),
    "plan": ("Plan record", "計画の記録"),
    "digest": ("Digest of the plan", "計画のダイジェスト"),
    "seal": ("seal", "シール"),
    "approved_by": ("Approved by", "承認者"),
    "date": ("Date", "日付"),
    "signature": ("Signature", "署名"),
    "how": (
        "The signature that counts is the electronic one, by",
        "効力があるのは次のコマンドによる電子署名です",
    ),
}
"""Each text of the page in English and Japanese."""
_LANGUAGES = ("en", "ja")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def write(archive: Archive, record: Record, request: Request, language: str = "en") -> Path:
    """Write the page beside the request, and return its path. `language`: en or ja."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    loader = PackageLoader("pgnb.runbook", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True)
    place = _LANGUAGES.index(language)
    plan = plan_of(archive, record)
    page = environment.get_template("request.html").render(
        language=language,
        label={key: texts[place] for key, texts in LABELS.items()},
        request=request,
        plan=plan,
        record=record,
        purpose=purpose(archive.path(record) / "notebook.ipynb", language),
        estimate=_estimate(archive, record),
        window=f"{_local(request.opens)} – {_local(request.closes)}",
        asked=_local(request.asked),
    )
    path = folder_of(archive, record.number) / "request.html"
    write_private(path, page)
    return path


def _local(moment: str) -> str:
    """A time in this machine's zone, with the zone's name, and in UTC behind it."""
    at = datetime.fromisoformat(moment)
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z} ({at:%H:%M} UTC)"


def _estimate(archive: Archive, record: Record) -> tuple[str, int]:
    """How long applied runs of this notebook took that passed, and how many there are; "" for none."""
    taken = [
        one.seconds
        for one in archive.read()[0]
        if one.notebook == record.notebook and one.verdict == Verdict.PASSED and one.changes
    ]
    return (format_duration(median(taken)) if taken else "", len(taken))


def purpose(notebook: Path, language: str) -> tuple[str, list[str]]:
    """Heading and paragraphs of the notebook's first cell; the Japanese ones first on a Japanese page."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text("utf-8"))["cells"]
    first = next(("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"), "")
    heading, _, rest = first.partition("\n")
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", rest) if part.strip()]
    plain = [re.sub(r"^- |[*`]", "", part) for part in paragraphs if not part.startswith(("|", "<"))]
    japanese = [part for part in plain if _JAPANESE.search(part)]
    english = [part for part in plain if not _JAPANESE.search(part)]
    return heading.lstrip("# "), [*japanese, *english] if language == "ja" else english
