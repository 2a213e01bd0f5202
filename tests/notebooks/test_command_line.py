"""Bad input on the command line: one clear error, status 2, and nothing ran."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from pgnb.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "99"], "no notebook is meant by '99'"),
        (["run", "05-01"], "no notebook is meant by '05-01'"),
        (["run", "nowhere.ipynb"], "there is no notebook nowhere.ipynb"),
        (["run", "02", "-f", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["run", "02", "-p", "namespce", "x"], "no notebook of this run has a parameter namespce"),
        (
            ["run", "01", "-p", "allow_restart", "true"],
            "no notebook of this run has a parameter allow_restart",
        ),
        (["run", "02", "-p", "allow_restart", "maybe"], "allow_restart must be bool"),
        (["run", "05", "-p", "transactions", "many"], "transactions must be int"),
        (["run", "02", "-p", "primary_password_from", "host=x password=hunter2"], "never a secret"),
        (["run", "02", "-p", "settings", "[a]"], "settings must be dict"),
        (["records", "compare", "1", "2"], "there is no record '1'"),
        (["parameters", "77"], "no notebook is meant by '77'"),
    ],
)
def test_bad_input_is_named_and_nothing_runs(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setenv("PGNB_RECORDS", str(tmp_path / "records"))
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "hunter2" not in result.output
    assert not (tmp_path / "records").exists()


def test_a_params_file_with_yaml_booleans_for_text_is_explained(tmp_path):
    (tmp_path / "p.yaml").write_text("settings: {synchronous_commit: off}\n")
    result = CliRunner().invoke(main, ["run", "02", "-f", str(tmp_path / "p.yaml")])
    assert result.exit_code == 2
    assert "settings must be dict[str, str]" in result.output


def test_no_notebooks_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PGNB_NOTEBOOKS", str(tmp_path))
    result = CliRunner().invoke(main, ["run", "02"])
    assert result.exit_code == 2
    assert "the notebooks were not found" in result.output


def test_a_command_loads_only_what_it_needs():
    """Jupyter's packages take seconds, and a pipeline judges after every notebook."""
    said = "import sys, pgnb.cli; print({'papermill', 'nbformat', 'nbconvert'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_notebooks_are_copied_once_and_never_over_a_change(tmp_path):
    copied = CliRunner().invoke(main, ["notebooks", str(tmp_path / "mine")])
    assert copied.exit_code == 0, copied.output
    changed = tmp_path / "mine/params/kind.yaml"
    assert CliRunner().invoke(main, ["notebooks", str(tmp_path / "mine")]).exit_code == 0
    changed.write_text("dry_run: true\n")
    (tmp_path / "mine/notebooks/00_overview.ipynb").unlink()
    refused = CliRunner().invoke(main, ["notebooks", str(tmp_path / "mine")])
    assert refused.exit_code == 2
    assert str(changed) in refused.output
    assert changed.read_text() == "dry_run: true\n"
    assert not (tmp_path / "mine/notebooks/00_overview.ipynb").exists()
