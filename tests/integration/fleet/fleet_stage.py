"""A stage for fleets: the image, the overlays, four databases in four namespaces, and an object store (S3).

The store is moto's server in a pod, as real as its HTTP: what pods write there is read through a forward.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from packaging.requirements import Requirement

from pgnb.cli import main
from pgnb.cluster import Cluster, connect
from pgnb.fleet.store import RecordStore
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.lifecycle import Rehearsal
from pgnb_rehearsal.waiting import until
from tests.conftest import postgres_objects
from tests.containerfile import ROOT
from tests.image import base_python
from tests.versions import USUAL

IMAGE, STORE_IMAGE = "registry.example/pgnb:0.1.0", "registry.example/s3:1"
FLEET, BUCKET = "pgnb", "records"
NAMESPACES = ("bank", "farm", "mill", "shop")
KEYS = {"AWS_ACCESS_KEY_ID": "only", "AWS_SECRET_ACCESS_KEY": "for-tests", "AWS_DEFAULT_REGION": "us-east-1"}
INSIDE = f"http://s3.{FLEET}.svc:5000"
_PATIENCE = 300.0


def store_image(directory: Path) -> Path:
    """The image of the store: this environment's moto, and what it requires, on this Python."""
    site = directory / "rootfs/opt/site-packages"
    for name in _required("moto", "s3") | _required("flask") | _required("flask-cors"):
        for file in distribution(name).files or ():
            path = Path(os.path.normpath(str(distribution(name).locate_file(file))))
            if path.is_file() and path.is_relative_to(_site()):
                _link(path, site / path.relative_to(_site()))
    base_python(directory / "rootfs")
    config = {
        "Entrypoint": ["/usr/local/bin/python3", "-m", "moto.server", "-H", "0.0.0.0", "-p", "5000"],
        "Env": [
            "PYTHONPATH=/opt/site-packages",
            "PYTHONDONTWRITEBYTECODE=1",
            "HOME=/tmp",
            "S3_IGNORE_SUBDOMAIN_BUCKETNAME=true",
        ],
        "User": "10001",
    }
    (directory / "config.json").write_text(json.dumps({"os": "linux", "config": config}))
    return directory


def _site() -> Path:
    return Path(
        sys.prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages"
    )


def _required(name: str, extras: str = "", seen: set[str] | None = None) -> set[str]:
    """The distributions that one requires, as far as they are installed here."""
    seen = set() if seen is None else seen
    if name.lower() in seen:
        return seen
    seen.add(name.lower())
    for text in distribution(name).requires or ():
        wanted = Requirement(text)
        markers = [{"extra": extra} for extra in (*extras.split(","), "")]
        if wanted.marker is None or any(wanted.marker.evaluate(one) for one in markers):
            _required(wanted.name, ",".join(wanted.extras), seen)
    return seen


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system
        target.write_bytes(source.read_bytes())


@dataclass(frozen=True)
class Stage:
    """The cluster, and what the tests do there as the person who runs fleets."""

    running: Rehearsal
    api: Client
    kubectl_path: str
    folder: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [self.kubectl_path, "--kubeconfig", str(self.running.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def furnish(self) -> None:
        """Apply the overlays, start the store and the four servers."""
        self._overlay("overlays/fleet")
        self._start_store()
        for namespace in NAMESPACES:
            self._start_server(namespace)
            self._overlay("overlays/target", namespace)

    def _overlay(self, overlay: str, namespace: str = "") -> None:
        text = self.kubectl("kustomize", str(ROOT / "deploy" / overlay))
        served = [one for one in yaml.safe_load_all(text) if one["kind"] != "NetworkPolicy"]
        where = ["--namespace", namespace] if namespace else []
        self.kubectl(
            "apply",
            *where,
            "-f",
            "-",
            stdin="\n".join(map(json.dumps, served)),
        )

    def _start_store(self) -> None:
        values = KEYS | {"AWS_ENDPOINT_URL_S3": INSIDE}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        core = f"/api/v1/namespaces/{FLEET}"
        self.api.create(f"{core}/secrets", {"metadata": {"name": "pgnb-records"}, "data": data})
        secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        container = {
            "name": "s3",
            "image": STORE_IMAGE,
            "securityContext": secure,
            "readinessProbe": {"tcpSocket": {"port": 5000}, "periodSeconds": 1},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        spec = {
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        meta = {"name": "s3", "labels": {"app": "s3"}}
        self.api.create(f"{core}/pods", {"metadata": meta, "spec": spec})
        service = {"selector": {"app": "s3"}, "ports": [{"port": 5000}]}
        self.api.create(f"{core}/services", {"metadata": {"name": "s3"}, "spec": service})
        self._ready(f"{core}/pods/s3")

    def _ready(self, path: str) -> None:
        def ready() -> bool:
            conditions = self.api.get(path).get("status", {}).get("conditions") or ()
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

        until(ready, _PATIENCE, what=f"{path} Ready", found=lambda: str(self.api.get(path).get("status")))

    def _start_server(self, namespace: str) -> None:
        labels = {"pgnb/fleet": "production"}
        self.api.create("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        until(lambda: self.api.find(account) is not None, 60.0, what="account", found=lambda: "none")
        objects = postgres_objects(namespace, "postgres-primary", (), {}, f"postgres:{USUAL}")
        for path, made in objects:
            self.api.create(path, made)

    def allow(self, role: str) -> None:
        """Give the fleet's account one more role of rbac.yaml, in each namespace of databases."""
        rules = yaml.safe_load_all((ROOT / "pgnb/manifests/rbac.yaml").read_text("utf-8"))
        (wanted,) = (one for one in rules if (one["kind"], one["metadata"]["name"]) == ("Role", role))
        for namespace in NAMESPACES:
            self.kubectl("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(wanted))
            account = f"--serviceaccount={FLEET}:pgnb"
            self.kubectl("create", "rolebinding", role, f"--role={role}", account, "-n", namespace)

    def file(self, **more: Any) -> Path:
        """A fleet.yaml for the four databases, with these keys added or changed."""
        content = {
            "name": "test",
            "namespace": FLEET,
            "image": IMAGE,
            "notebooks": ["00"],
            "records": f"s3://{BUCKET}/{more.get('name', 'test')}",
            "records_secret": "pgnb-records",
            "parameters": {
                "primary_selector": "app=postgres-primary",
                "primary_password_from": "secret:postgres-primary/password",
            },
            "targets": [{"name": name} for name in NAMESPACES],
        }
        path = self.folder / f"{more.get('name', 'test')}.yaml"
        path.write_text(yaml.safe_dump(content | more))
        return path

    def fleet(self, command: str, file: Path, *arguments: str) -> Result:
        """`pgnb fleet COMMAND FILE …` on this cluster."""
        where = ["--kubeconfig", str(self.running.kubeconfig)] if command != "records" else []
        return CliRunner().invoke(main, ["fleet", command, str(file), *arguments, *where])

    def cluster(self, namespace: str = FLEET) -> Cluster:
        return connect(str(self.running.kubeconfig), namespace=namespace, dry_run=False)

    @contextmanager
    def store(self, name: str) -> Iterator[RecordStore]:
        """The records of a fleet, read from outside of the cluster."""
        cluster = self.cluster()
        with cluster.forward(cluster.pod("app=s3"), 5000) as forward, pytest.MonkeyPatch.context() as patch:
            for key, value in KEYS.items():
                patch.setenv(key, value)
            host, port = forward.over_tcp()
            patch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
            yield RecordStore.at(f"s3://{BUCKET}/{name}")
        cluster.close()

    def job(self, name: str) -> Object:
        return dict(self.api.get(f"/apis/batch/v1/namespaces/{FLEET}/jobs/{name}"))

    def setting(self, namespace: str, name: str) -> str:
        """A setting of the server in a namespace, as it is in effect."""
        return self.psql(namespace, f"SHOW {name}")

    def psql(self, namespace: str, statement: str) -> str:
        command = ["exec", "-n", namespace, "deploy/postgres-primary", "--", "psql", "-U", "postgres", "-Atc"]
        return self.kubectl(*command, statement).strip()
