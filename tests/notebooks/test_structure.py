"""What every notebook keeps to, so that a reader feels at home in each."""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from papermill.inspection import inspect_notebook

from pgnb.cli import main
from pgnb.runbook import catalogue, params, requestpage
from tests.notebooks import test_logical_procedure, test_nbval, test_pipeline, test_procedure

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
HEADING = re.compile(r"^#{1,3} (.*)$", re.MULTILINE)
FACTS = {
    "ja": ("目的", "変更するもの", "停止時間", "前提", "元に戻す方法", "手順書の誤り"),
    "en": ("Purpose", "Changes", "Downtime", "Needs", "Undo", "Where the procedure errs"),
}
SECTIONS = {
    *("00", *(f"{n:02}" for n in range(1, 13))),
    *("2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "6.1", "6.2", "8", "8.1", "10", "10.1"),
    *(f"12.{n}" for n in range(1, 11)),
}
"""The numbers that the procedure's headings have, and those of the notebooks."""


def _cells(path: Path, kind: str) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def _code(path: Path) -> list[str]:
    return [c.source for c in _cells(path, "code") if "parameters" not in c.metadata.get("tags", ())]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> Path:
    return request.param


def test_the_sections_one_to_five_are_there():
    assert {"00", "01", "02", "03", "04", "05"} <= set(catalogue.notebooks())


def test_it_is_a_valid_notebook_without_outputs(notebook):
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    for cell in content.cells:
        if cell.cell_type == "code" and "nbval-check-output" not in cell.metadata.get("tags", ()):
            assert cell.outputs == []
            assert cell.execution_count is None


def test_its_parameters_are_typed_and_explained(notebook):
    for parameter in params.declared(notebook):
        assert parameter.help, f"{parameter.name} has no comment"
        assert params.validate(notebook, {parameter.name: parameter.default})


def test_every_parameter_is_used(notebook):
    used = {
        n.id
        for source in _code(notebook)
        for n in ast.walk(ast.parse(_plain(source)))
        if isinstance(n, ast.Name)
    }
    assert {p.name for p in params.declared(notebook)} <= used


def _plain(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.startswith("%"))


def test_cells_are_steps_that_a_person_would_say_aloud(notebook):
    sizes = [len([line for line in source.splitlines() if line.strip()]) for source in _code(notebook)]
    assert statistics.median(sizes) <= 5
    assert max(sizes) <= 8
    for source in _code(notebook):
        assert not re.search(r"^\s*(def|class|for|while|try)\b", source, re.MULTILINE)


def test_every_heading_is_in_both_languages_with_no_number_but_the_procedure_s(notebook):
    headings = [h for cell in _cells(notebook, "markdown") for h in HEADING.findall(cell.source)]
    assert len(headings) > 3
    for heading in headings:
        assert re.search(r" · .*" + JAPANESE.pattern, heading), heading
        number = re.match(r"(\d[\d.]*) ", heading)
        assert number is None or number[1] in SECTIONS, heading


def test_the_first_cell_says_in_both_languages_what_an_operator_must_know(notebook):
    first = _cells(notebook, "markdown")[0].source
    for label in (*FACTS["ja"], *FACTS["en"]):
        assert re.search(rf"^(?:- )?\*\*{label}\*\*: ", first, re.MULTILINE), label
    folded = re.findall(r"<details><summary>(.*?)</summary>\n\n(.*?)\n\n</details>", first, re.DOTALL)
    assert [JAPANESE.search(summary) is not None for summary, _ in folded] == [True, True]
    (commands, table), (failed, _) = folded
    assert "手順書のコマンド" in commands
    assert "セルが失敗したとき" in failed
    rows = table.splitlines()[2:]
    assert 3 <= len(rows) <= 10
    called = set(re.findall(r"pgnb\.[A-Za-z_.]+\b", "".join(_code(notebook))))
    assert set(re.findall(r"pgnb\.[A-Za-z_.]+\b", table)) <= called


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_page_for_approval_begins_each_fact_with_its_label(notebook, language):
    _, paragraphs = requestpage.purpose(notebook, language)
    labels = (*FACTS["ja"], *FACTS["en"]) if language == "ja" else FACTS["en"]
    assert [paragraph.partition(":")[0] for paragraph in paragraphs] == list(labels)


def test_japanese_stands_before_every_change_and_says_what_passing_looks_like(notebook):
    prose = ""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            prose = HEADING.sub("", cell.source)
            assert not prose.strip() or JAPANESE.search(prose), cell.source
        elif re.search(r"\bgate\(|\.apply\(\)", cell.source):
            assert "合格の目安" in prose, cell.source


def test_papermill_shows_every_parameter_with_type_default_and_help(notebook, caplog):
    """What `papermill --help-notebook` prints; what it can't parse, it warns of in every run as well."""
    shown = inspect_notebook(notebook)
    for parameter in params.declared(notebook):
        found = shown.pop(parameter.name)
        assert (found["inferred_type_name"], found["help"]) == (parameter.type, parameter.help)
        assert ast.literal_eval(found["default"]) == parameter.default
    assert shown == {}
    assert caplog.records == []


def test_the_permissions_stand_last(notebook):
    cell = _cells(notebook, "code")[0].source
    names = [p.name for p in params.declared(notebook)]
    kinds = ("allow_", "accept_", "confirm", "wipe_", "discard_", "break_", "fence_")
    permissions = [n for n in names if n.startswith(kinds)]
    if permissions:
        assert cell.index("# Permissions") < min(cell.index(f"\n{name}:") for name in permissions)
        assert set(names[-len(permissions) :]) >= set(permissions[-1:])


def test_a_database_that_is_not_the_expected_one_can_be_refused(notebook):
    assert "expect=expect_system_identifier" in "".join(_code(notebook))


def test_a_measurement_stops_no_step_that_follows(notebook):
    for source in _code(notebook):
        assert "verify(service" not in source


def test_it_connects_first_and_ends_with_its_evidence(notebook):
    code = _code(notebook)
    assert code[0] == "import pgnb\n\npgnb.check_parameters()"
    assert "pgnb.connect(" in code[1]
    assert code[-1] == "pgnb.finish(cluster)"


def test_every_change_is_shown_before_it_is_applied(notebook):
    tree = ast.parse("\n".join(map(_plain, _code(notebook))))
    shown = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Name)
    }
    applied = {
        node.func.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "apply"
        and isinstance(node.func.value, ast.Name)
    }
    assert applied <= shown


def test_a_remedy_names_no_parameter_that_no_notebook_has():
    everywhere = {p.name for path in NOTEBOOKS for p in params.declared(path)}
    before = r"(?:named by|[Nn]ame (?:it|them) by|[Ss]et the parameter|the parameter)"
    says = re.compile(before + r" ([a-z]+(?:_[a-z]+)+)\b")
    named = {
        (path.name, name)
        for path in (ROOT / "pgnb").rglob("*.py")
        for name in says.findall(path.read_text("utf-8"))
    }
    assert len(named) > 2
    assert {(where, name) for where, name in named if name not in everywhere} == set()


def test_the_params_files_fit_the_notebooks():
    everywhere = {p.name for path in NOTEBOOKS for p in params.declared(path)}
    for file in (ROOT / "params").glob("*.yaml"):
        values = params.read_file(file)
        assert values
        for path in NOTEBOOKS:
            params.validate(path, values, everywhere)


def test_the_command_line_lists_what_a_notebook_takes(notebook):
    result = CliRunner().invoke(main, ["parameters", str(notebook)])
    assert result.exit_code == 0, result.output
    for parameter in params.declared(notebook):
        assert parameter.name in result.output


def test_the_pipeline_runs_every_notebook():
    script = (ROOT / "scripts/kubernetes-e2e").read_text("utf-8")
    loops = " ".join(re.findall(r"for number in ([\d_ ]+);", script))
    run = {*loops.split(), *re.findall(r"\bnotebook (\d\d(?:_\d\d)?)\b", script)}
    assert sorted(run) == sorted(catalogue.notebooks())


def test_make_test_carries_every_notebook_out():
    carried_out = (*test_procedure.NUMBERS, test_procedure.SWITCHOVER, *test_logical_procedure.NUMBERS)
    assert sorted(carried_out) == sorted(catalogue.notebooks())


def test_the_long_tests_run_every_part_of_the_pipeline():
    """So every notebook is run by a kernel, into a record."""
    script = (ROOT / "scripts/kubernetes-e2e").read_text("utf-8")
    parts = set(re.findall(r"^    (\w+)\) ", script, re.MULTILINE))
    assert parts == {*test_pipeline.PARTS, *test_nbval.PARTS}
