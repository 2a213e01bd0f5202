"""The image in pods: any user, no root, a read-only root file system, an account with the least rights."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import by_kind
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.kubeconfig import read_access
from pgnb_rehearsal.lifecycle import Rehearsal
from pgnb_rehearsal.sample import NAMESPACE as DATABASES
from pgnb_rehearsal.waiting import until
from tests.containerfile import ROOT
from tests.image import REVISION, assemble

pytestmark = pytest.mark.long

IMAGE = "registry.example/pgnb:0.1.0"
FLEET = "pgnb"
OBSERVE = ["-p", "kubeconfig", "", "-p", "namespace", DATABASES, "-p", "rbac_roles", "[pgnb-observe]"]
_PATIENCE = 300.0


@dataclass(frozen=True)
class Place:
    """A cluster that serves the image; `pod` is the specification that deploy/overlays/nightly has."""

    running: Rehearsal
    api: Client
    kubectl_path: str
    pod: Object

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [self.kubectl_path, "--kubeconfig", str(self.running.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def may(self, account: str, *what: str) -> bool:
        """Whether somebody has a right, as the API server says."""
        command = [self.kubectl_path, "--kubeconfig", str(self.running.kubeconfig), "auth", "can-i", *what]
        done = subprocess.run([*command, "--as", account], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() in ("yes", "no"), done.stderr
        return done.stdout.strip() == "yes"

    def apply(self, overlay: str, namespace: str) -> None:
        """Apply an overlay, but for the kinds that a rehearsal cluster does not serve."""
        text = self.kubectl("kustomize", str(ROOT / "deploy" / overlay))
        served = [one for one in yaml.safe_load_all(text) if by_kind(one["apiVersion"], one["kind"])]
        where = [] if any("namespace" in one["metadata"] for one in served) else ["--namespace", namespace]
        self.kubectl(
            "apply",
            *where,
            "-f",
            "-",
            stdin="\n".join(map(json.dumps, served)),
        )

    def start(self, name: str, *args: str, env: dict[str, str] | None = None, **security: Any) -> str:
        """A pod in the fleet's namespace that runs pgnb with these arguments; its name."""
        spec = deepcopy(self.pod)
        (container,) = spec["containers"]
        container |= {"args": list(args), "env": [{"name": k, "value": v} for k, v in (env or {}).items()]}
        container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] == "work"]
        spec["volumes"] = [one for one in spec["volumes"] if one["name"] == "work"]
        spec["securityContext"] |= security
        pod = {"metadata": {"name": name, "labels": {"app": "pgnb"}}, "spec": spec}
        self.api.create(f"/api/v1/namespaces/{FLEET}/pods", pod)
        return name

    def state(self, name: str, namespace: str = FLEET) -> Object:
        """The state of a pod's only container."""
        found = self.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
        statuses = found["status"].get("containerStatuses") or [{"state": {}}]
        return dict(statuses[0]["state"]) | {"phase": found["status"].get("phase")}

    def ended(self, name: str, namespace: str = FLEET) -> tuple[int, str]:
        """Exit status and log of a pod that ends by itself."""

        def done() -> bool:
            return "terminated" in self.state(name, namespace)

        until(done, _PATIENCE, what=f"{name} ended", found=lambda: str(self.state(name, namespace)))
        return (
            int(self.state(name, namespace)["terminated"]["exitCode"]),
            self.kubectl("logs", "-n", namespace, name),
        )

    def left(self, name: str) -> list[dict[str, Any]]:
        """The records in a pod's volume, oldest first, with the pages beside them."""
        uid = self.api.get(f"/api/v1/namespaces/{FLEET}/pods/{name}")["metadata"]["uid"]
        found = sorted(path for path in self.running.state.rglob("record.json") if uid in str(path))
        return [json.loads(path.read_text("utf-8")) | {"folder": path.parent} for path in found]


@pytest.fixture(scope="module")
def place(
    new_rehearsal: Callable[..., Rehearsal], tmp_path_factory: pytest.TempPathFactory, kubectl_path: str
) -> Iterator[Place]:
    """A cluster with the sample and the image, and the overlays of a fleet and of one target applied."""
    directory = assemble(tmp_path_factory.mktemp("image"))
    running = new_rehearsal(sample=True, images={IMAGE: directory})
    api = Client(read_access(running.kubeconfig))
    nightly = subprocess.run(
        [kubectl_path, "kustomize", str(ROOT / "deploy/overlays/nightly")],
        capture_output=True,
        text=True,
        check=True,
    )
    (cron_job,) = (one for one in yaml.safe_load_all(nightly.stdout) if one["kind"] == "CronJob")
    made = Place(running, api, kubectl_path, cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    made.apply("overlays/fleet", FLEET)
    made.apply("overlays/target", DATABASES)
    yield made
    api.close()


def test_it_starts_as_its_own_user_and_as_any_other(place: Place) -> None:
    own = place.start("version", "--version")
    other = place.start("parameters", "parameters", "00", runAsUser=1000680000, runAsGroup=0)
    code, said = place.ended(own)
    assert (code, said.startswith("pgnb, version ")) == (0, True)
    code, said = place.ended(other)
    assert (code, "primary_selector" in said) == (0, True), said


def test_nothing_but_the_mount_is_written(place: Place) -> None:
    """The container's file system is read-only, for pgnb as for everybody in it."""
    (container,) = place.pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert place.pod["securityContext"]["runAsNonRoot"]
    code, said = place.ended(place.start("copies-out", "notebooks", "/tmp/mine"))
    assert code != 0
    assert "Read-only file system" in said
    code, said = place.ended(place.start("copies", "notebooks", "/work/mine"))
    assert code == 0, said


@pytest.mark.parametrize("access", ["direct", pytest.param("port-forward", marks=pytest.mark.long)])
def test_notebooks_pass_by_the_account_of_the_pod(place: Place, access: str) -> None:
    """In another namespace than the databases', with no kubeconfig, by the server's address or a forward."""
    name = place.start(f"checks-{access}", "run", "00", "01", *OBSERVE, env={"PGNB_POD_ACCESS": access})
    code, said = place.ended(name)
    assert code == 0, said
    records = place.left(name)
    assert [record["notebook"] for record in records] == ["00_overview", "01_prerequisites"]
    for record in records:
        assert record["verdict"] == "passed"
        assert record["facts"]["user"] == f"system:serviceaccount:{FLEET}:pgnb"
        assert (record["who"], record["host"]) == ("uid 10001", name)
        assert record["commit"] == REVISION
        assert f"head: {record['number']} {record['seal']}" in said
        assert (record["folder"] / "notebook.html").is_file()


def test_an_account_that_only_observes_changes_nothing(place: Place) -> None:
    code, said = place.ended(place.start("refused", "run", "02", *OBSERVE[:-3], "-p", "dry_run", "false"))
    assert code == 1, said
    assert 'cannot patch resource "configmaps"' in said
    account = f"system:serviceaccount:{FLEET}:pgnb"
    assert place.may(account, "get", "jobs", "-n", FLEET)
    assert not place.may(account, "create", "jobs", "-n", FLEET)
    assert place.may(account, "create", "pods", "--subresource=portforward", "-n", DATABASES)
    assert not place.may(account, "create", "pods", "-n", DATABASES)


def test_a_pod_that_is_told_to_end_keeps_its_record_and_leaves_no_zombie(place: Place) -> None:
    """pgnb is PID 1: it hears SIGTERM, and kernels that ended are reaped."""
    given = [*OBSERVE[:-3], "-p", "dry_run", "true", "-p", "rate_seconds", "600"]
    name = place.start("told", "run", "00", "07", *given)
    log = [place.kubectl_path, "--kubeconfig", str(place.running.kubeconfig), "logs", "-n", FLEET, "-f", name]

    def measuring() -> bool:
        found = [record["folder"] for record in place.left(name) if record["notebook"][:2] == "07"]
        journals = [folder / "journal.jsonl" for folder in found]
        return any(journal.exists() and journal.stat().st_size for journal in journals)

    until(measuring, _PATIENCE, what="07 at work", found=lambda: str(place.state(name)))
    count = (
        "import pathlib; states = [p.read_text().rpartition(')')[2].split()[0] for p in"
        " pathlib.Path('/proc').glob('[0-9]*/stat')]; print(len(states), states.count('Z'))"
    )
    processes, zombies = place.kubectl("exec", "-n", FLEET, name, "--", "python", "-c", count).split()
    assert int(processes) >= 3  # pgnb, a kernel, and the one that counts
    assert zombies == "0"
    with subprocess.Popen(log, stdout=subprocess.PIPE, text=True) as followed:
        assert followed.stdout is not None
        assert any("passed" in line for line in followed.stdout)  # so it follows
        place.api.request("DELETE", f"/api/v1/namespaces/{FLEET}/pods/{name}")
        said = followed.stdout.read()
    assert "interrupted 07_replication_slots" in said
    assert "head: 2 " in said


def test_the_checks_of_a_night_leave_their_records_on_the_claim(place: Place) -> None:
    """The objects of deploy/overlays/nightly, its Job begun by hand, with the first two of its notebooks."""
    place.apply("overlays/nightly", DATABASES)
    spec = deepcopy(place.pod)
    (container,) = spec["containers"]
    container["args"] = [*container["args"][:3], *container["args"][-2:]]
    assert container["args"][:3] == ["run", "00", "01"]
    job = {
        "metadata": {"name": "now"},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"job": "now"}}, "spec": spec}},
    }
    place.api.create(f"/apis/batch/v1/namespaces/{DATABASES}/jobs", job)
    pods = f"/api/v1/namespaces/{DATABASES}/pods?labelSelector=job%3Dnow"
    until(lambda: bool(place.api.get(pods)["items"]), _PATIENCE, what="pod", found=lambda: "none")
    (pod,) = place.api.get(pods)["items"]
    code, said = place.ended(pod["metadata"]["name"], DATABASES)
    assert code == 0, said
    lines = [line for line in said.splitlines() if "/work/records/" in line]
    assert [line.split()[0] for line in lines] == ["planned", "planned"]
    claim = (place.running.state / "volumes").rglob("record.json")
    assert {json.loads(path.read_text("utf-8"))["notebook"] for path in claim} == {
        "00_overview",
        "01_prerequisites",
    }
