"""Where a server's configuration stands: on a volume that the next pod does not have, and caps of WAL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgnb.cluster import Cluster
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import Change, gate
from pgnb.postgres import HbaRule, Server, find_server
from pgnb.postgres.config.configmap import plan_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.config.places import configuration_checks

RULE = HbaRule("host", "replication", "replicator", "10.0.0.0/8")
_FILL = """
printf "%s\\n" "listen_addresses = '*'" "hba_file = '/conf/pg_hba.conf'" > /conf/postgresql.conf
printf "%s\\n" "local all all trust" "host all all all scram-sha-256" > /conf/pg_hba.conf
"""
"""As an entry point of Bitnami's image does at each start: the configuration is generated on an emptyDir."""


def generated(manifest: dict[str, Any]) -> None:
    if manifest.get("spec", {}).get("template") is None:
        return
    spec = manifest["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    mount = {"name": "conf", "mountPath": "/conf"}
    container["args"] = ["postgres", "-c", "config_file=/conf/postgresql.conf"]
    container["volumeMounts"] = [*container["volumeMounts"], mount]
    init = {"name": "fill", "image": container["image"], "command": ["sh", "-c", _FILL]}
    spec["initContainers"] = [init | {"volumeMounts": [mount]}]
    spec["volumes"] = [*spec["volumes"], {"name": "conf", "emptyDir": {}}]


@pytest.fixture(scope="module")
def bitnami(find: Callable[..., Server]) -> Server:
    """A server whose configuration is generated on an emptyDir, with its data on a claim."""
    return find("bitnami", patch=generated)


def carry_out(change: Change) -> None:
    gate(change)
    change.apply()


def test_a_setting_goes_where_the_next_pod_reads_it(bitnami: Server, cluster: Cluster) -> None:
    carry_out(plan_settings(bitnami, {"wal_keep_size": "128MB"}))
    assert bitnami.scalar("SHOW wal_keep_size") == "128MB"
    workload = cluster.workload(bitnami.pod)
    cluster.scale_and_wait(workload, 0)
    cluster.scale_and_wait(cluster.find_workload(workload.kind, workload.name), 1)
    again = find_server(cluster, "app=bitnami", password="secret:bitnami/password")
    assert again.scalar("SHOW wal_keep_size") == "128MB"
    again.close()
    bitnami.reopen()


def test_a_rule_is_not_written_where_it_would_be_lost(bitnami: Server) -> None:
    with pytest.raises(ParameterError, match="does not outlive the pod") as refused:
        plan_hba(bitnami, [RULE])
    assert "emptyDir at /conf" in str(refused.value)
    assert "pgHbaConfiguration" in str(refused.value)


def test_the_places_are_gated_before_the_first_change(bitnami: Server, server: Server) -> None:
    with pytest.raises(GateClosed, match=r"where rules of pg_hba\.conf are stored"):
        gate(configuration_checks(bitnami, {"wal_keep_size": "256MB"}, [RULE]))
    checks = gate(configuration_checks(server, {"wal_keep_size": "256MB"}, [RULE]))
    assert not checks.failed
    stands = HbaRule("host", "all", "all", "all")
    assert not configuration_checks(bitnami, {"wal_keep_size": "256MB"}, [stands]).failed


def test_a_cap_above_the_volume_is_refused_before_anything_is_changed(server: Server) -> None:
    """The claim asks for 1 Gi; the file system below it is the machine's, and larger."""
    cap = {"max_slot_wal_keep_size": "10GB"}
    with pytest.raises(GateClosed, match=r"the cap is smaller than the volume: 10(\.0)? GB"):
        gate(configuration_checks(server, cap, []))
    with pytest.raises(GateClosed, match="Lower max_slot_wal_keep_size"):
        plan_settings(server, cap).apply()
    assert server.scalar("SHOW max_slot_wal_keep_size") == "-1"
    checks = configuration_checks(server, {"max_slot_wal_keep_size": "512MB"}, [])
    room = next(check for check in checks.items if check.name == "room for all WAL that may be kept")
    assert not checks.failed
    assert room.advice


def test_what_waits_for_a_restart_stays_out_of_a_config_map_until_it_is_allowed(server: Server) -> None:
    """A mounted ConfigMap is read by the next start of the pod, which may be an eviction."""
    wanted = {"wal_level": "logical", "wal_keep_size": "96MB"}
    change = plan_config_map(server, "places", wanted, write_restart=False)
    assert "wal_keep_size" in change.diff
    assert "wal_level" not in change.diff
    assert "needs a restart that is not allowed: wal_level" in change.note
    assert "wal_level" in plan_config_map(server, "places", wanted, write_restart=True).diff
    assert server.cluster.get("configmaps", "places") is None
