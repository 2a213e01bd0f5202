from pathlib import Path

import pytest

from pgnb.core.errors import ParameterError
from pgnb.logical.not_replicated import _STOPPING, NEVER_COPIED
from pgnb.runbook import params


def test_declared_keeps_defaults_types_and_help_that_papermill_mangles(make_notebook):
    declared = {p.name: p for p in params.declared(make_notebook())}
    assert declared["rows"] == params.Parameter("rows", "int", 1000, "how many")
    assert declared["name"].default == "x # y"
    assert declared["name"].help == "a name, with a # in it"
    assert declared["settings"].default == {"a": "b=c"}


def test_a_file_is_a_mapping(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("rows: 5\nname: a\n")
    assert params.read_file(path) == {"rows": 5, "name": "a"}
    path.write_text("# nothing\n")
    assert params.read_file(path) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "is not one mapping of parameter names to values"),
        ("1: a\n", "is not one mapping"),
        ("a: [1\n", "is not YAML"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        params.read_file(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"nowhere\.yaml: cannot be read"):
        params.read_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"row": 5}, "has no parameter 'row'.*Did you mean rows"),
        ({"zzz": 5}, "has no parameter 'zzz'.*It takes"),
        ({"rows": "5"}, "rows must be int.*'5'"),
        ({"rows": True}, "rows must be int"),
        ({"rows": 5.5}, "rows must be int"),
        ({"name": False}, "name must be str.*on, off, yes and no as booleans: quote"),
        ({"name": 8}, "name must be str.*Quote the value"),
        ({"safe": "true"}, "safe must be bool"),
        ({"tables": "a,b"}, "tables must be list"),
        ({"tables": [1]}, "tables must be list"),
        ({"settings": {"synchronous_commit": False}}, "settings must be dict"),
        ({"rate": "fast"}, "rate must be float"),
        ({"name": "host=a password=hunter2"}, "never a secret"),
        ({"name": "postgresql://u:hunter2@h/db"}, "never a secret"),
    ],
)
def test_bad_values_are_refused_with_one_clear_error(make_notebook, values, message):
    with pytest.raises(ParameterError) as caught:
        params.validate(make_notebook(), values)
    assert "hunter2" not in str(caught.value)
    caught.match(f"(?s){message}")


def test_good_values_pass_and_names_of_other_notebooks_are_left_out(make_notebook):
    values = {"rows": 1, "rate": 2, "tables": ["a"], "settings": {"a": "b"}, "elsewhere": 1}
    taken = params.validate(make_notebook(), values, known_elsewhere=["elsewhere"])
    assert taken == {"rows": 1, "rate": 2.0, "tables": ["a"], "settings": {"a": "b"}}


def test_a_three_state_parameter_takes_yaml_booleans(make_notebook):
    notebook = make_notebook(parameters='dry_run: str = "auto"  # true, false or auto')
    assert params.validate(notebook, {"dry_run": True}) == {"dry_run": "true"}
    assert params.validate(notebook, {"dry_run": "auto"}) == {"dry_run": "auto"}


def test_the_command_line_converts_by_the_declared_type(make_notebook):
    declared = params.declared(make_notebook())
    pairs = [("name", "001"), ("rows", "007"), ("safe", "false"), ("tables", "[a, b]"), ("rate", "7e1")]
    assert params.from_command_line(pairs, declared) == {
        "name": "001",
        "rows": 7,
        "safe": False,
        "tables": ["a", "b"],
        "rate": 70.0,
    }
    with pytest.raises(ParameterError, match="rows must be int"):
        params.validate(make_notebook(), params.from_command_line([("rows", "many")], declared))


@pytest.mark.parametrize("cell", ["rows = 5", "rows: int = count()", "for x in y: pass", "rows: int"])
def test_a_parameters_cell_that_is_not_plain_assignments_is_refused(make_notebook, cell):
    with pytest.raises(ParameterError, match="its parameters cell can't be read"):
        params.declared(make_notebook(parameters=cell))


def test_files_that_are_no_notebooks_are_refused(make_notebook, tmp_path: Path):
    with pytest.raises(ParameterError, match="has no cell tagged `parameters`"):
        params.declared(make_notebook(parameters=None))
    (tmp_path / "x.ipynb").write_text("hello")
    with pytest.raises(ParameterError, match="is not a notebook"):
        params.declared(tmp_path / "x.ipynb")
    with pytest.raises(ParameterError, match="there is no notebook"):
        params.declared(tmp_path / "y.ipynb")


@pytest.mark.parametrize("named", [*NEVER_COPIED, *_STOPPING])
def test_what_a_remedy_says_to_accept_can_be_given(named):
    notebook = Path(__file__).parents[3] / "notebooks" / "12_00_logical_replication.ipynb"
    assert params.validate(notebook, {"accept_not_copied": [named]}) == {"accept_not_copied": [named]}


@pytest.mark.parametrize("number", ["03_replica_bootstrap", "12_00_logical_replication"])
def test_a_server_s_variable_refers_to_a_secret_and_is_none(number):
    notebook = Path(__file__).parents[3] / "notebooks" / f"{number}.ipynb"
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    given = {"server_pods": {"env": {"POSTGRESQL_PASSWORD": reference, "TZ": {"value": "UTC"}}}}
    assert params.validate(notebook, given) == given
    with pytest.raises(ParameterError, match="is of another form") as refused:
        params.validate(notebook, {"server_pods": {"env": {"POSTGRESQL_PASSWORD": {"value": "hunter2"}}}})
    assert "hunter2" not in str(refused.value)
