"""Bad input on the command line: one clear error, status 2, and nothing ran."""

import subprocess
import sys

import pytest
import yaml
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
        (["run", "02", "-p", "primary_password_from", "host=x password=hunter2"], "is of another form"),
        (["run", "02", "-p", "primary_password_from", "hunter2"], "is of another form"),
        (["run", "12", "-p", "subscriber_password_from", "hunter2"], "is of another form"),
        (["run", "02", "-p", "slot", "Replica-Slot"], "slot cannot be 'Replica-Slot'"),
        (["run", "07", "-p", "desired_slots", "[a, B]"], "desired_slots cannot be 'B'"),
        (["run", "02", "-p", "replication_networks", "10.0.0.0/8"], "Write a list: [10.0.0.0/8]"),
        (["run", "02", "-p", "replication_networks", "[10.0.0.0/33]"], "Write CIDR: 10.244.0.0/16"),
        (["run", "02", "-p", "replication_networks", "[]"], "replication_networks is empty"),
        (["run", "09", "-p", "operation", "failver"], "Use one of 'failover', 'rejoin', 'switchover'"),
        (["run", "12_10", "-p", "operation", "switchover"], "Use one of 'abandon', 'clean', 'cutover'"),
        (["run", "02", "-p", "dry_run", "maybe"], "Use one of 'auto', 'false', 'true'"),
        (["run", "02", "-p", "longest_gap", "nan"], "longest_gap cannot be nan"),
        (["run", "02", "-p", "longest_gap", "inf"], "longest_gap cannot be inf"),
        (["run", "02", "-p", "longest_gap", "-5"], "longest_gap cannot be -5.0"),
        (["run", "02", "-p", "namespace", "postgres_async"], "namespace cannot be 'postgres_async'"),
        (["run", "02", "-p", "kubeconfig", "a\0b"], "kubeconfig holds a control character"),
        (["run", "02", "-p", "primary_selector", "app in postgres"], "Write a label selector"),
        (["run", "02", "-p", "primary_selector", ""], "primary_selector is empty"),
        (["run", "02", "-p", "replication_role", "pg_monitor"], "Name a role"),
        (["run", "05", "-p", "scratch_database", "x" * 64], "Name a database"),
        (["run", "03", "-p", "standby_size", "20 GB"], "Write a size as Kubernetes takes it"),
        (["run", "01", "-p", "expect_system_identifier", "abc"], "pg_control_system()"),
        (["run", "06", "-p", "settings", "{shared_buffers: [1]}"], "Write NAME: VALUE pairs"),
        (["run", "06", "-p", "settings", "{shared buffers: '1'}"], "Name settings as in pg_settings"),
        (["run", "12", "-p", "subscription_options", "{password: hunter2}"], "never a secret"),
        (["run", "12_07", "-p", "table_ddl", "ALTER ROLE x PASSWORD 'hunter2'"], "never a secret"),
        (["run", "02", "-p", "settings", "[a]"], "settings must be dict"),
        (["records", "compare", "1", "2"], "there is no folder"),
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"user: \xe9", "is not UTF-8"),
        (b"user: " + b"[" * 5000, "is not YAML that parameters can be read from"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\nsettings: *b\n", "an alias (*name) is not taken"),
        (b"dry_run: true\ndry_run: false\n", "'dry_run' is given twice"),
        (b"#" * 1_000_001, "is larger than 1,000,000 bytes"),
        (b"password: hunter2", "as primary_password_from: secret:NAME/KEY"),
        (b"primary_selctor: x", "Did you mean primary_selector"),
    ],
)
def test_a_params_file_that_cannot_be_right_is_refused(tmp_path, content, message):
    (tmp_path / "p.yaml").write_bytes(content)
    result = CliRunner().invoke(main, ["run", "02", "-f", str(tmp_path / "p.yaml")])
    assert result.exit_code == 2
    assert message in result.output
    assert "hunter2" not in result.output
    assert result.output.count("primary_selector or primary_selector") == 0


def test_each_notebook_is_given_what_it_takes_of_a_shared_file():
    command = ["parameters", "00", "-f", "params/kind.yaml", "-p", "context", "kind-other", "--yaml"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    taken = yaml.safe_load(result.output)
    assert taken["context"] == "kind-other"
    assert "monitor_seconds" not in taken
    everything = CliRunner().invoke(main, ["parameters", "10", "-f", "params/kind.yaml", "--yaml"])
    assert yaml.safe_load(everything.output)["monitor_seconds"] == 5.0


def test_a_misspelt_name_in_a_shared_file_is_not_left_out(tmp_path):
    (tmp_path / "p.yaml").write_text("monitor_secnds: 5\n")
    result = CliRunner().invoke(main, ["parameters", "00", "-f", str(tmp_path / "p.yaml"), "--yaml"])
    assert result.exit_code == 2
    assert "has no parameter 'monitor_secnds'" in result.output
    assert "monitor_seconds" in result.output


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
