"""Parameters that changed their name: the old name is taken for one release."""

import pytest
from click.testing import CliRunner

from pgnb.cli import main
from pgnb.core.errors import ParameterError
from pgnb.runbook import params
from pgnb.runbook.given import check_parameters
from pgnb.runbook.renamed import RENAMED, with_current_names

NEW = 'operation: str = "switchover"  # what to do\nreuse_slots: list[str] = []  # slots\n'
OLD = 'path: str = "switchover"  # what to do\n'


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_taken_where_only_the_new_one_is_declared(old, new):
    assert with_current_names({old: "x"}, [new]) == {new: "x"}
    assert with_current_names({old: "x"}, [old]) == {old: "x"}
    assert with_current_names({old: "x"}, [old, new]) == {old: "x"}
    assert with_current_names({old: "x"}, ["rows"]) == {old: "x"}


def test_both_names_are_refused():
    with pytest.raises(ParameterError, match="path and operation are both given"):
        with_current_names({"path": "failover", "operation": "failover"}, ["operation"])


def test_values_are_validated_under_the_new_name(make_notebook):
    notebook = make_notebook(parameters=NEW)
    given = {"path": "failover", "take_slots": ["a"]}
    assert params.validate(notebook, given) == {"operation": "failover", "reuse_slots": ["a"]}
    with pytest.raises(ParameterError, match="reuse_slots must be list"):
        params.validate(notebook, {"take_slots": "a,b"})


def test_a_notebook_that_still_has_the_old_name_keeps_it(make_notebook):
    assert params.validate(make_notebook(parameters=OLD), {"path": "failover"}) == {"path": "failover"}


def test_an_old_name_that_only_other_notebooks_take_is_left_out(make_notebook):
    assert params.validate(make_notebook(), {"path": "failover"}, known_elsewhere=["operation"]) == {}
    with pytest.raises(ParameterError, match="has no parameter 'path'"):
        params.validate(make_notebook(), {"path": "failover"}, known_elsewhere=["rows"])


def test_a_text_of_the_command_line_has_the_type_of_the_new_name(make_notebook):
    declared = params.declared(make_notebook(parameters=NEW))
    assert params.from_command_line([("take_slots", "[a, b]")], declared) == {"take_slots": ["a", "b"]}


def test_the_commands_say_the_new_name(make_notebook, tmp_path):
    notebook = make_notebook(parameters=NEW)
    shown = CliRunner().invoke(main, ["parameters", str(notebook), "--yaml", "-p", "path", "failover"])
    assert shown.exit_code == 0
    assert shown.stdout == "operation: failover\n"
    assert "path is called operation now" in shown.stderr
    file = tmp_path / "p.yaml"
    file.write_text("take_slots: [a]\n")
    shown = CliRunner().invoke(main, ["parameters", str(notebook), "--yaml", "-f", str(file)])
    assert shown.stdout == "reuse_slots:\n- a\n"
    assert "take_slots is called reuse_slots now" in shown.stderr


def test_plain_papermill_is_refused_with_the_new_name():
    """It sets a variable of the old name, which no cell reads."""
    cells = [NEW, '# Parameters\npath = "failover"\n', "check_parameters()"]
    names = {"check_parameters": check_parameters, "In": ["", *cells]}
    exec(cells[0] + cells[1], names)
    with pytest.raises(ParameterError, match="path is called operation now") as refused:
        exec(cells[2], names)
    assert "Give operation instead" in refused.value.remedy
