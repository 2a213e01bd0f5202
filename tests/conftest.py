"""Fixtures that all tests share: a rehearsal cluster, namespaces in it, PostgreSQL servers in those.

The session's cluster (`rehearsal`) is bare and shared: each test works in a namespace of its own. Whoever
needs the sample primary, or changes what others see, takes a cluster of its own by `new_rehearsal`.
"""

from __future__ import annotations

import base64
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.kubeconfig import read_access
from pgnb_rehearsal.lifecycle import Rehearsal
from pgnb_rehearsal.waiting import until
from tests.versions import USUAL

VOLUME_DELAY = 0.5
"""Seconds after which the tests' clusters show a changed ConfigMap in a volume."""
_MEMORY, _ROOM = Path("/dev/shm"), 8 << 30
_SHARED = pytest.StashKey[str]()
_numbers = itertools.count(1)
_PASSWORD = "only-for-tests"
_PATIENCE = 60.0
_LONGEST = ("shapes", "cutover", "logical", "failover", "replication", "diagnosis")
_FIRST = ("notebooks", *(f"integration/{name}" for name in _LONGEST), "integration", "unit")
"""Folders of tests, those with the longest files first."""
_SHARING = ("logical", "logical_troubles", "observe")
"""Folders of integration tests whose files use the same servers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first and the shortest last, so that every worker is busy until the end."""

    def rank(item: pytest.Item) -> int:
        folder = str(item.path.parent.relative_to(Path(__file__).parent))
        return next((n for n, kind in enumerate(_FIRST) if folder.startswith(kind)), len(_FIRST))

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests have one worker, and so have those of a directory whose files share their servers."""
    from xdist.scheduler import LoadFileScheduling

    class ByServers(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder = nodeid.rpartition("::")[0].rpartition("/")[0]
            return folder if folder.rpartition("/")[2] in _SHARING else super()._split_scope(nodeid)

    return ByServers(config, log)


@pytest.fixture(scope="module", autouse=True)
def _nothing_open() -> Iterator[None]:
    """What a module's tests left open, such as servers that they looked up, is closed with the module."""
    yield
    if loop := sys.modules.get("pgnb.cluster.loop"):
        loop.LOOP.close()


@pytest.fixture(scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of this session's clusters; in memory where there is room: they make and delete very many
    files."""
    if not _has_room(_MEMORY):
        yield tmp_path_factory.mktemp("state")
        return
    for left in _MEMORY.glob("pgnb-tests-*"):  # by a run that was killed
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    directory = _MEMORY / f"pgnb-tests-{os.getpid()}"
    directory.mkdir(mode=0o700)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def _has_room(memory: Path) -> bool:
    """Whether that is a file system in memory, with so much free that the servers of a run are no burden."""
    available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    free = min(int(available[1]) * 1024, shutil.disk_usage(memory).free) if available else 0
    return memory.is_mount() and free > _ROOM


@pytest.fixture(scope="session")
def usual_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the tests' clusters have in common: all workers of a run share what initdb makes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return {"volume_delay": VOLUME_DELAY, "initdb_copies": shared / "initdb"}


@pytest.fixture(scope="session")
def rehearsal(state_home: Path, usual_options: dict[str, Any]) -> Iterator[Rehearsal]:
    """The session's cluster, without the sample."""
    name = f"test-{os.getpid()}"
    yield lifecycle.up(name, state_home=state_home, sample=False, **usual_options)
    lifecycle.down(name, state_home=state_home)


@pytest.fixture(scope="module")
def new_rehearsal(state_home: Path, usual_options: dict[str, Any]) -> Iterator[Callable[..., Rehearsal]]:
    """`new_rehearsal(sample=True)`: another cluster, by `lifecycle.up`, until the module ends."""
    names: list[str] = []

    def start(**options: Any) -> Rehearsal:
        names.append(f"extra-{os.getpid()}-{next(_numbers)}")
        return lifecycle.up(names[-1], state_home=state_home, **usual_options | options)

    yield start
    for name in names:
        lifecycle.down(name, state_home=state_home)


@pytest.fixture(scope="module")
def own_rehearsal(usual_options: dict[str, Any]) -> Iterator[Callable[[str, Path], Rehearsal]]:
    """`own_rehearsal(name, state_home)`: a cluster with the sample at a place of one's own."""
    started: list[tuple[str, Path]] = []

    def start(name: str, state_home: Path) -> Rehearsal:
        started.append((name, state_home))
        return lifecycle.up(name, state_home=state_home, **usual_options)

    yield start
    for name, state_home in started:
        lifecycle.down(name, state_home=state_home)


@pytest.fixture(scope="session")
def kubeconfig(rehearsal: Rehearsal) -> Path:
    """The kubeconfig of the session's cluster."""
    return rehearsal.kubeconfig


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Iterator[Client]:
    """The session's API server, as its administrator."""
    client = Client(read_access(kubeconfig))
    yield client
    client.close()


@pytest.fixture
def namespace(api: Client) -> Iterator[str]:
    """A namespace for one test, labelled for practice."""
    with _made_namespace(api) as name:
        yield name


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest) -> str:
    """The image of a module's servers; a module of versions is parametrised with several."""
    return getattr(request, "param", f"postgres:{USUAL}")


@pytest.fixture(scope="module")
def module_namespace(api: Client, image: str) -> Iterator[str]:
    """A namespace for the tests of a module, and for each image of its own, labelled for practice."""
    with _made_namespace(api) as name:
        yield name


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, api: Client) -> Callable[[Callable[[str], object]], str]:
    """`shared(furnish)`: the namespace that a directory's modules share; the first furnishes it."""
    folder = request.node.getparent(pytest.Dir)

    def share(furnish: Callable[[str], object]) -> str:
        if _SHARED not in folder.stash:
            with ExitStack() as stack:
                folder.stash[_SHARED] = stack.enter_context(_made_namespace(api))
                furnish(folder.stash[_SHARED])
                folder.addfinalizer(stack.pop_all().close)
        return folder.stash[_SHARED]

    return share


@contextmanager
def _made_namespace(api: Client) -> Iterator[str]:
    name = f"t{next(_numbers)}"
    metadata = {"name": name, "labels": {"pgnb/practice": "true"}}
    api.create("/api/v1/namespaces", {"metadata": metadata})
    path = f"/api/v1/namespaces/{name}"
    account = f"{path}/serviceaccounts/default"
    until(lambda: api.find(account) is not None, _PATIENCE, what="service account", found=lambda: "none")
    yield name
    api.request("DELETE", path)
    # Nobody comes back to these servers: they need no shutdown in good order, which may take a grace period.
    api.request("DELETE", f"{path}/pods", {"gracePeriodSeconds": 0})
    until(lambda: api.find(path) is None, _PATIENCE, what="namespace gone", found=lambda: str(api.find(path)))


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server in a pod: `selector` finds it, the Secret `secret` holds the key `password`."""

    namespace: str
    name: str
    pod: str

    @property
    def selector(self) -> str:
        return f"app={self.name}"

    @property
    def secret(self) -> str:
        return self.name

    @property
    def password(self) -> str:
        return _PASSWORD


@pytest.fixture(scope="session")
def start_postgres(api: Client) -> Callable[..., Server]:
    """`start_postgres(namespace, name, args=…, env=…)`: a server, Ready over TCP."""

    def start(
        namespace: str,
        name: str = "postgres",
        *,
        args: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        image: str = f"postgres:{USUAL}",
        patch: Callable[[dict[str, Any]], None] | None = None,
    ) -> Server:
        for path, obj in postgres_objects(namespace, name, args, env or {}, image):
            if patch is not None:
                patch(obj)
            api.create(path, obj)
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"

        def available() -> bool:
            return bool(api.get(path).get("status", {}).get("availableReplicas"))

        pods = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}"
        until(available, _PATIENCE, what=f"{name} available", found=lambda: str(api.get(pods)["items"]))
        (pod,) = api.get(pods)["items"]
        return Server(namespace, name, pod["metadata"]["name"])

    return start


@pytest.fixture(scope="session")
def server_objects() -> Callable[..., Iterator[tuple[str, dict[str, Any]]]]:
    """The function that makes a server's objects, for clusters other than the session's."""
    return postgres_objects


def postgres_objects(
    namespace: str, name: str, args: tuple[str, ...], env: dict[str, str], image: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path of the collection, object): Secret, claim, Service and Deployment of a server called `name`."""
    labels = {"app": name}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    core = f"/api/v1/namespaces/{namespace}"
    secret = {"password": base64.b64encode(_PASSWORD.encode()).decode()}
    yield f"{core}/secrets", {"metadata": metadata, "data": secret}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    yield f"{core}/persistentvolumeclaims", {"metadata": metadata, "spec": claim}
    yield f"{core}/services", {"metadata": metadata, "spec": {"selector": labels, "ports": [{"port": 5432}]}}
    deployment = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod_spec(name, args, env, image)},
    }
    yield f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": metadata, "spec": deployment}


def _pod_spec(name: str, args: tuple[str, ...], env: dict[str, str], image: str) -> dict[str, Any]:
    password = {"secretKeyRef": {"name": name, "key": "password"}}
    probe = {
        "exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"]},
        "periodSeconds": 1,
    }
    container = {
        "name": "postgres",
        "image": image,
        "args": list(args),
        "env": [
            {"name": "POSTGRES_PASSWORD", "valueFrom": password},
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
            *({"name": key, "value": value} for key, value in env.items()),
        ],
        "ports": [{"containerPort": 5432, "name": "postgres"}],
        "readinessProbe": probe,
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": name}}
    return {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 20}
