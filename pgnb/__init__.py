"""Executable runbooks for PostgreSQL replication on Kubernetes.

What a notebook's cell may write, and nothing else. Names are loaded when they are first used, so that a
command that needs no server does not load the drivers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgnb.checks import judge_at_end, verify
    from pgnb.cluster import connect
    from pgnb.evidence import finish
    from pgnb.logical.adding import plan_add_table
    from pgnb.logical.arrival import wait_applied
    from pgnb.logical.capacity import restart_checks, worker_settings
    from pgnb.logical.conflicts import read_incidents
    from pgnb.logical.copying import copy_progress, wait_copied
    from pgnb.logical.databases import database_checks, plan_databases
    from pgnb.logical.diagnosis import diagnose_logical
    from pgnb.logical.identity import identity_checks, plan_replica_identity, plan_subscriber_identity
    from pgnb.logical.markers import marker_checks, plan_markers, prove_rows
    from pgnb.logical.newdatabase import new_database_specs, plan_new_database
    from pgnb.logical.preflight import logical_preflight, pair_checks, publisher_preflight
    from pgnb.logical.proof import table_checks
    from pgnb.logical.publications import plan_publications
    from pgnb.logical.remedies import pending_workers, plan_remedy
    from pgnb.logical.removal import plan_drop_subscriptions
    from pgnb.logical.roles import plan_reader, plan_roles, subscription_rules
    from pgnb.logical.schema import plan_schema
    from pgnb.logical.schemadiff import compare_schemas
    from pgnb.logical.specs import database_specs
    from pgnb.logical.status import logical_status
    from pgnb.logical.subscriber import plan_subscriber
    from pgnb.logical.subscriptions import plan_subscriptions
    from pgnb.logical.survival import survival_checks
    from pgnb.observe import plots
    from pgnb.observe.advice import advise
    from pgnb.observe.arrival import wait_for_marker
    from pgnb.observe.counting import compare_standbys
    from pgnb.observe.limits import limits
    from pgnb.observe.load import run_load
    from pgnb.observe.measure import measure_service
    from pgnb.observe.monitor import monitor
    from pgnb.observe.retention import measure_retention
    from pgnb.observe.runs import compare_runs
    from pgnb.observe.sampler import LagSampler
    from pgnb.observe.scratch import Scratch
    from pgnb.observe.topology import topology
    from pgnb.operate.alerts import alert_rules
    from pgnb.operate.backups import find_backups
    from pgnb.operate.cutover import (
        cutover_checks,
        cutover_done,
        cutover_rights,
        cutover_status,
        logical_cutover,
        measure_cutover,
        plan_cutover,
        plan_way_back,
        plot_cutover,
        way_back_settings,
    )
    from pgnb.operate.diagnosis import collect_evidence, diagnose
    from pgnb.operate.failover import (
        estimate_loss,
        measure_succession,
        path_checks,
        plan_fence,
        plan_followers,
        plan_promotion,
        plan_return,
        plan_service,
        plan_settings_of_primary,
        plan_switchover,
        plot_succession,
        role_change_checks,
        succession,
        succession_checks,
    )
    from pgnb.operate.online import plan_online
    from pgnb.operate.past import read_past
    from pgnb.operate.practices import (
        alert_checks,
        documentation_checks,
        drill_checks,
        missing_practices,
        monitoring_checks,
        publication_checks,
    )
    from pgnb.operate.published import compare_published
    from pgnb.plan import gate
    from pgnb.replication import (
        BackupOptions,
        layout_checks,
        plan_base_backup,
        plan_drop_slot,
        plan_slot,
        plan_slots,
        plan_standby_config,
        plan_standby_workload,
        prove_source,
        replication_source,
        replication_status,
        slot_checks,
        slots,
        slots_as_wished,
        standby_checks,
        standby_pod_checks,
        standby_status,
    )
    from pgnb.runbook.given import check_parameters
    from pgnb.server import find_server
    from pgnb.server.hbarule import replication_rules
    from pgnb.server.lease import hold_lease
    from pgnb.server.progress import marker, wait_replayed
    from pgnb.server.restart import plan_pending_restart
    from pgnb.server.standbys import find_standbys, settings_of

_HOMES = {
    "pgnb.checks": ("judge_at_end", "verify"),
    "pgnb.cluster": ("connect",),
    "pgnb.evidence": ("finish",),
    "pgnb.logical.adding": ("plan_add_table",),
    "pgnb.logical.arrival": ("wait_applied",),
    "pgnb.logical.capacity": ("restart_checks", "worker_settings"),
    "pgnb.logical.conflicts": ("read_incidents",),
    "pgnb.logical.copying": ("copy_progress", "wait_copied"),
    "pgnb.logical.databases": ("database_checks", "plan_databases"),
    "pgnb.logical.diagnosis": ("diagnose_logical",),
    "pgnb.logical.identity": ("identity_checks", "plan_replica_identity", "plan_subscriber_identity"),
    "pgnb.logical.markers": ("marker_checks", "plan_markers", "prove_rows"),
    "pgnb.logical.newdatabase": ("new_database_specs", "plan_new_database"),
    "pgnb.logical.preflight": ("logical_preflight", "pair_checks", "publisher_preflight"),
    "pgnb.logical.proof": ("table_checks",),
    "pgnb.logical.publications": ("plan_publications",),
    "pgnb.logical.remedies": ("pending_workers", "plan_remedy"),
    "pgnb.logical.removal": ("plan_drop_subscriptions",),
    "pgnb.logical.roles": ("plan_reader", "plan_roles", "subscription_rules"),
    "pgnb.logical.schema": ("plan_schema",),
    "pgnb.logical.schemadiff": ("compare_schemas",),
    "pgnb.logical.specs": ("database_specs",),
    "pgnb.logical.status": ("logical_status",),
    "pgnb.logical.subscriber": ("plan_subscriber",),
    "pgnb.logical.subscriptions": ("plan_subscriptions",),
    "pgnb.logical.survival": ("survival_checks",),
    "pgnb.observe": ("plots",),
    "pgnb.observe.advice": ("advise",),
    "pgnb.observe.arrival": ("wait_for_marker",),
    "pgnb.observe.counting": ("compare_standbys",),
    "pgnb.observe.limits": ("limits",),
    "pgnb.observe.load": ("run_load",),
    "pgnb.observe.measure": ("measure_service",),
    "pgnb.observe.monitor": ("monitor",),
    "pgnb.observe.retention": ("measure_retention",),
    "pgnb.observe.runs": ("compare_runs",),
    "pgnb.observe.sampler": ("LagSampler",),
    "pgnb.observe.scratch": ("Scratch",),
    "pgnb.observe.topology": ("topology",),
    "pgnb.operate.alerts": ("alert_rules",),
    "pgnb.operate.backups": ("find_backups",),
    "pgnb.operate.cutover": (
        "cutover_checks",
        "cutover_done",
        "cutover_rights",
        "cutover_status",
        "logical_cutover",
        "measure_cutover",
        "plan_cutover",
        "plan_way_back",
        "plot_cutover",
        "way_back_settings",
    ),
    "pgnb.operate.diagnosis": ("collect_evidence", "diagnose"),
    "pgnb.operate.failover": (
        "estimate_loss",
        "measure_succession",
        "path_checks",
        "plan_fence",
        "plan_followers",
        "plan_promotion",
        "plan_return",
        "plan_service",
        "plan_settings_of_primary",
        "plan_switchover",
        "plot_succession",
        "role_change_checks",
        "succession",
        "succession_checks",
    ),
    "pgnb.operate.online": ("plan_online",),
    "pgnb.operate.past": ("read_past",),
    "pgnb.operate.practices": (
        "alert_checks",
        "documentation_checks",
        "drill_checks",
        "missing_practices",
        "monitoring_checks",
        "publication_checks",
    ),
    "pgnb.operate.published": ("compare_published",),
    "pgnb.plan": ("gate",),
    "pgnb.replication": (
        "BackupOptions",
        "layout_checks",
        "plan_base_backup",
        "plan_drop_slot",
        "plan_slot",
        "plan_slots",
        "plan_standby_config",
        "plan_standby_workload",
        "prove_source",
        "replication_source",
        "replication_status",
        "slot_checks",
        "slots",
        "slots_as_wished",
        "standby_checks",
        "standby_pod_checks",
        "standby_status",
    ),
    "pgnb.runbook.given": ("check_parameters",),
    "pgnb.server": ("find_server",),
    "pgnb.server.hbarule": ("replication_rules",),
    "pgnb.server.lease": ("hold_lease",),
    "pgnb.server.progress": ("marker", "wait_replayed"),
    "pgnb.server.restart": ("plan_pending_restart",),
    "pgnb.server.standbys": ("find_standbys", "settings_of"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BackupOptions",
    "LagSampler",
    "Scratch",
    "advise",
    "alert_checks",
    "alert_rules",
    "check_parameters",
    "collect_evidence",
    "compare_published",
    "compare_runs",
    "compare_schemas",
    "compare_standbys",
    "connect",
    "copy_progress",
    "cutover_checks",
    "cutover_done",
    "cutover_rights",
    "cutover_status",
    "database_checks",
    "database_specs",
    "diagnose",
    "diagnose_logical",
    "documentation_checks",
    "drill_checks",
    "estimate_loss",
    "find_backups",
    "find_server",
    "find_standbys",
    "finish",
    "gate",
    "hold_lease",
    "identity_checks",
    "judge_at_end",
    "layout_checks",
    "limits",
    "logical_cutover",
    "logical_preflight",
    "logical_status",
    "marker",
    "marker_checks",
    "measure_cutover",
    "measure_retention",
    "measure_service",
    "measure_succession",
    "missing_practices",
    "monitor",
    "monitoring_checks",
    "new_database_specs",
    "pair_checks",
    "path_checks",
    "pending_workers",
    "plan_add_table",
    "plan_base_backup",
    "plan_cutover",
    "plan_databases",
    "plan_drop_slot",
    "plan_drop_subscriptions",
    "plan_fence",
    "plan_followers",
    "plan_markers",
    "plan_new_database",
    "plan_online",
    "plan_pending_restart",
    "plan_promotion",
    "plan_publications",
    "plan_reader",
    "plan_remedy",
    "plan_replica_identity",
    "plan_return",
    "plan_roles",
    "plan_schema",
    "plan_service",
    "plan_settings_of_primary",
    "plan_slot",
    "plan_slots",
    "plan_standby_config",
    "plan_standby_workload",
    "plan_subscriber",
    "plan_subscriber_identity",
    "plan_subscriptions",
    "plan_switchover",
    "plan_way_back",
    "plot_cutover",
    "plot_succession",
    "plots",
    "prove_rows",
    "prove_source",
    "publication_checks",
    "publisher_preflight",
    "read_incidents",
    "read_past",
    "replication_rules",
    "replication_source",
    "replication_status",
    "restart_checks",
    "role_change_checks",
    "run_load",
    "settings_of",
    "slot_checks",
    "slots",
    "slots_as_wished",
    "standby_checks",
    "standby_pod_checks",
    "standby_status",
    "subscription_rules",
    "succession",
    "succession_checks",
    "survival_checks",
    "table_checks",
    "topology",
    "verify",
    "wait_applied",
    "wait_copied",
    "wait_for_marker",
    "wait_replayed",
    "way_back_settings",
    "worker_settings",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pgnb' has no attribute {name!r}")
    home = import_module(_HOME_OF[name])
    return import_module(f"{home.__name__}.plots") if name == "plots" else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
