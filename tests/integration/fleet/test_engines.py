"""The examples for other engines, carried out by Airflow itself, and checked by Argo's own model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs
import yaml
from hera.workflows.models import WorkflowTemplate

from benchmarks.objectstore import make_bucket, s3_server
from tests.conftest import Server
from tests.containerfile import ROOT
from tests.schemas import ENVIRONMENT as AIRFLOW

pytestmark = pytest.mark.long

RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from airflow_dag import example
run = example.test()
states = [(one.task_id, one.map_index, str(one.state)) for one in run.get_task_instances()]
print("STATES " + json.dumps([str(run.state), sorted(states)]))
"""


def test_the_workflow_template_is_one_by_argos_model() -> None:
    text = (ROOT / "deploy/engines/argo_workflowtemplate.yaml").read_text("utf-8")
    found = yaml.safe_load(text)
    template = WorkflowTemplate.model_validate(found)
    assert json.loads(template.model_dump_json(by_alias=True, exclude_none=True)) == found, (
        "a field is unknown"
    )
    (step,) = next(one for one in found["spec"]["templates"] if one["name"] == "fleet")["steps"][0]
    assert step["template"] in [one["name"] for one in found["spec"]["templates"]]


def test_the_workflow_runs_what_a_pod_of_a_fleet_runs() -> None:
    """Its container is that of the Job, but for its name, image and where the index comes from."""
    from pgnb.fleet.fleetfile import Fleet, Target
    from pgnb.fleet.job import job
    from pgnb.fleet.targets import Plan

    fleet = Fleet("f", "i", ("00",), "file:///r", records_secret="pgnb-records", targets=(Target("a", "a"),))
    plan = Plan("f", "i", "file:///r", ("00",), 1, (), "", fleet.targets, {"00": {}}, (1,), changing=False)
    (ours,) = job(fleet, plan, 1)["spec"]["template"]["spec"]["containers"]
    found = yaml.safe_load((ROOT / "deploy/engines/argo_workflowtemplate.yaml").read_text("utf-8"))
    theirs = found["spec"]["templates"][1]["container"]
    for key in ("args", "envFrom", "resources", "securityContext", "volumeMounts"):
        assert theirs[key] == ours[key], key


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of an S3 server, which this process and its children find by their environment."""
    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield make_bucket("engines", environment)


@pytest.fixture
def airflow(tmp_path: Path) -> Callable[[Path], list[Any]]:
    """`airflow(fleet.yaml)`: the states of a whole run of the example."""
    assert (AIRFLOW / "bin/airflow").exists(), f"no {AIRFLOW}: make {AIRFLOW.name}/.installed"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AIRFLOW"))},
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "deploy/engines"),
        "PATH": f"{AIRFLOW / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PGNB_NOTEBOOKS": str(ROOT / "notebooks"),
    }

    def run(fleet: Path) -> list[Any]:
        given = environment | {"PGNB_FLEET": str(fleet), "KUBECONFIG": os.environ["KUBECONFIG"]}
        given |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        for command in (
            [str(AIRFLOW / "bin/airflow"), "db", "migrate"],
            [str(AIRFLOW / "bin/python"), "-c", RUN, str(ROOT / "deploy/engines")],
        ):
            done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=500)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            print(done.stdout[-20000:], done.stderr[-5000:])  # What pytest shows of a failure.
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("STATES ")]
        return list(json.loads(line.removeprefix("STATES ")))

    return run


def test_airflow_maps_the_notebooks_over_the_targets(
    airflow: Callable[[Path], list[Any]],
    start_postgres: Callable[..., Server],
    namespace: str,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
) -> None:
    """papermill's own handler for S3 writes what was executed."""
    server, url = start_postgres(namespace), bucket
    content = {
        "name": "engines",
        "namespace": namespace,
        "image": "unused:1",
        "notebooks": ["00"],
        "records": url,
        "parameters": {
            "kubeconfig": str(kubeconfig),
            "primary_selector": server.selector,
            "primary_password_from": f"secret:{server.secret}/password",
        },
        "targets": [
            {"name": "good", "namespace": namespace},
            {"name": "bad", "namespace": namespace, "parameters": {"primary_selector": "app=nothing"}},
        ],
    }
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    state, tasks = airflow(tmp_path / "fleet.yaml")
    assert state == "failed"
    assert [(name, index, one) for name, index, one in tasks if name == "notebook"] == [
        ("notebook", 0, "success"),
        ("notebook", 1, "failed"),
    ]
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    (written,) = store.glob(f"{url}/good/papermill/*/00_overview.ipynb")
    assert any(cell.get("outputs") for cell in json.loads(store.cat(written))["cells"])
