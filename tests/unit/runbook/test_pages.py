"""A record's page stands alone, and a record's folder is its owner's."""

import re
import stat
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pgnb.runbook import pages
from pgnb.runbook.records import Archive

_FROM_ELSEWHERE = re.compile(r"""(src|href|import)\s*[=(]?\s*["']https?://""")


def test_a_page_loads_nothing_from_elsewhere_and_is_private(tmp_path: Path) -> None:
    shown = '<div>kept</div><script src="https://elsewhere.example/x.js"></script>'
    output = new_output("display_data", data={"text/html": shown, "image/png": "AAAA"})
    nbformat.write(new_notebook(cells=[new_code_cell("1", outputs=[output])]), tmp_path / "notebook.ipynb")
    for name in ("notebook.html", *pages.write(tmp_path)):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    page = (tmp_path / "notebook.html").read_text()
    assert "<div>kept</div>" in page
    assert not _FROM_ELSEWHERE.search(page)
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_record_is_private(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "records")
    record = archive.open(Path("notebooks/00_overview.ipynb"), {})
    for folder in (archive.folder, archive.path(record)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
