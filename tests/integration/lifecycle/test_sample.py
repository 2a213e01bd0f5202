"""The sample primary and its writing client, on a cluster of its own, seen through kubectl."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.kubeconfig import read_access
from pgnb_rehearsal.lifecycle import Rehearsal
from pgnb_rehearsal.sample import NAMESPACE, PRIMARY, WRITER
from pgnb_rehearsal.waiting import until


@dataclass(frozen=True)
class Sample:
    running: Rehearsal
    kubectl_path: str

    def kubectl(self, *arguments: str) -> str:
        """Standard output of kubectl in the sample's namespace; fails with its standard error."""
        command = [self.kubectl_path, "--kubeconfig", str(self.running.kubeconfig), "-n", NAMESPACE]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, statement: str, database: str = "postgres", user: str = "postgres") -> str:
        psql = ["psql", "--no-psqlrc", "-XAtq", "-U", user, "-d", database, "-c", statement]
        return self.kubectl("exec", f"deploy/{PRIMARY}", "--", *psql).strip()

    def writers(self) -> str:
        """The writing client's pod, and how often it was started again."""
        columns = "custom-columns=:.metadata.uid,:.status.containerStatuses[*].restartCount"
        return self.kubectl("get", "pods", "-l", f"app={WRITER}", "-o", columns, "--no-headers")

    def acknowledged(self) -> list[tuple[float, int]]:
        """(time in seconds, id) of every row that the writer was told is committed."""
        lines = self.kubectl("logs", f"deploy/{WRITER}", "--timestamps", "--tail=-1").splitlines()
        told = [line.split() for line in lines]
        return [
            (_seconds(words[0]), int(words[1])) for words in told if len(words) == 2 and words[1].isdigit()
        ]


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(f"{stamp[:26]}+00:00").timestamp()


@pytest.fixture(scope="module")
def sample(new_rehearsal: Callable[..., Rehearsal], kubectl_path: str) -> Iterator[Sample]:
    yield Sample(new_rehearsal(sample=True), kubectl_path)


def test_three_databases_with_some_two_hundred_thousand_rows(sample: Sample) -> None:
    listed = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1"
    databases = sample.sql(listed).splitlines()
    assert databases == ["Sales-2026", "crm", "shop"]
    rows = sum(
        int(sample.sql("SELECT sum(n_live_tup) FROM pg_stat_user_tables", name) or 0) for name in databases
    )
    assert 190_000 <= rows <= 260_000


@pytest.mark.parametrize(
    ("database", "statement", "answer"),
    [
        ("shop", "SELECT count(*) FROM pg_constraint WHERE contype = 'f'", "3"),
        ("shop", "SELECT count(*) FROM pg_class WHERE relkind = 'S'", "3"),
        ("shop", "SELECT count(*) FROM pg_views WHERE schemaname = 'public'", "1"),
        (
            "shop",
            "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum",
            "new,paid,shipped,returned",
        ),
        ("crm", 'SELECT count(*) FROM "問い合わせ" JOIN "顧客" USING ("顧客番号")', "25000"),
        ("crm", "SELECT count(*) FROM pg_constraint WHERE conrelid = 'access_log'::regclass", "0"),
        ("Sales-2026", 'SELECT count(*) FROM "Year End"."Order Lines" WHERE "Net ""Amount""" >= 0', "20000"),
    ],
)
def test_the_data_have_what_migrations_stumble_over(
    sample: Sample, database: str, statement: str, answer: str
) -> None:
    assert sample.sql(statement, database) == answer


def test_the_primary_has_the_images_own_settings(sample: Sample) -> None:
    assert sample.sql("SHOW wal_level") == "replica"
    assert sample.sql("SHOW max_wal_senders") == "10"
    rules = sample.sql(
        "SELECT count(*) FROM pg_hba_file_rules WHERE 'replication' = ANY (database) AND type = 'host' "
        "AND address NOT IN ('127.0.0.1', '::1')"
    )
    assert rules == "0"
    assert sample.sql("SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = 'app'") == "f"


def test_the_namespace_is_marked_for_practice(sample: Sample) -> None:
    labels = sample.kubectl("get", "namespace", NAMESPACE, "-o", "jsonpath={.metadata.labels}")
    assert '"pgnb/practice":"true"' in labels


def test_passwords_are_random_and_nowhere_in_the_manifests(sample: Sample) -> None:
    client = Client(read_access(sample.running.kubeconfig))
    data = client.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{PRIMARY}")["data"]
    client.close()
    assert set(data) == {"password", "app-password"} and len(set(data.values())) == 2
    assert all(len(value) >= 32 for value in data.values())


def test_the_writer_tells_every_row_once_and_in_order(sample: Sample) -> None:
    before = len(sample.acknowledged())
    until(lambda: len(sample.acknowledged()) > before + 130, 60, what="130 rows", found=lambda: "fewer")
    rows = sample.acknowledged()
    assert sorted({i for _, i in rows}) == [i for _, i in rows], "each id once, and rising"
    assert [at for at, _ in rows] == sorted(at for at, _ in rows)


@pytest.mark.parametrize("target", [PRIMARY, WRITER])
def test_a_rollout_loses_no_acknowledged_row(sample: Sample, target: str) -> None:
    before, writers = sample.acknowledged(), sample.writers()
    sample.kubectl("rollout", "restart", f"deploy/{target}")
    sample.kubectl("rollout", "status", f"deploy/{target}", "--timeout=60s")
    last = before[-1][1]
    until(
        lambda: len([i for _, i in sample.acknowledged() if i > last]) > 20,
        60,
        what="rows",
        found=lambda: "-",
    )
    after = sample.acknowledged()
    acknowledged = {i for _, i in (*before, *after)}
    stored = {int(line) for line in sample.sql("SELECT id FROM heartbeat", "shop").splitlines()}
    assert acknowledged <= stored
    if target == PRIMARY:
        assert sample.writers() == writers, "the client outlives its server"


def test_the_pods_are_seen_by_kubectl(sample: Sample) -> None:
    table = sample.kubectl("get", "pods", "--all-namespaces", "--no-headers")
    assert [line.split()[2:4] for line in table.splitlines()] == [["1/1", "Running"]] * 2


def test_deployed_again_nothing_changes(sample: Sample) -> None:
    def versions() -> list[Any]:
        client = Client(read_access(sample.running.kubeconfig))
        kinds = ("secrets", "configmaps", "services", "persistentvolumeclaims")
        lists = [client.get(f"/api/v1/namespaces/{NAMESPACE}/{kind}")["items"] for kind in kinds]
        pods = client.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        client.close()
        metadata = [obj["metadata"] for objects in lists for obj in objects]
        return [(m["name"], m["resourceVersion"]) for m in metadata] + [
            pod["metadata"]["uid"] for pod in pods
        ]

    before = versions()
    again = lifecycle.up(sample.running.name, state_home=Path(sample.running.state).parent)
    assert again.pid == sample.running.pid
    assert versions() == before
