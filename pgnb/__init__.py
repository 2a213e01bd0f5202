"""Executable runbooks for PostgreSQL replication on Kubernetes.

What a notebook's cell may write, and nothing else. Names are loaded when they are first used, so that a
command that needs no server does not load the drivers; `__init__.pyi` says the same to editors and mypy.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "pgnb.core.checks": ("judge_at_end", "verify"),
    "pgnb.cluster": ("connect",),
    "pgnb.core.evidence": ("finish",),
    "pgnb.logical.add_table": ("TableSpec", "plan_add_table"),
    "pgnb.logical.arrival": ("wait_applied",),
    "pgnb.logical.capacity": ("restart_checks", "worker_settings"),
    "pgnb.logical.conflicts": ("read_worker_errors",),
    "pgnb.logical.initial_copy": ("wait_copied",),
    "pgnb.logical.databases": ("database_checks", "plan_databases"),
    "pgnb.diagnosis.logical": ("diagnose_logical",),
    "pgnb.logical.identity": ("identity_checks", "plan_replica_identity", "plan_subscriber_identity"),
    "pgnb.logical.markers": ("marker_checks", "plan_markers", "verify_marker_rows"),
    "pgnb.logical.add_database": ("new_database_specs", "plan_new_database"),
    "pgnb.logical.preflight": ("logical_preflight", "pair_checks", "publisher_preflight"),
    "pgnb.logical.row_counts": ("table_checks",),
    "pgnb.logical.publications": ("plan_publications",),
    "pgnb.logical.remedies": ("RemedyChoice", "pending_workers", "plan_remedy"),
    "pgnb.logical.roles": ("plan_reader", "plan_roles", "subscription_rules"),
    "pgnb.logical.schema": ("plan_schema",),
    "pgnb.logical.schema_diff": ("compare_schemas",),
    "pgnb.logical.specs": ("database_specs",),
    "pgnb.logical.status": ("logical_status",),
    "pgnb.logical.subscriber": ("plan_subscriber",),
    "pgnb.logical.subscriptions": ("plan_drop_subscriptions", "plan_subscriptions"),
    "pgnb.logical.slots": ("slot_failover_checks",),
    "pgnb.observe": ("plots",),
    "pgnb.observe.counting": ("compare_standbys",),
    "pgnb.observe.limits": ("limits",),
    "pgnb.observe.load": ("run_load",),
    "pgnb.observe.measure": ("measure_service",),
    "pgnb.observe.monitor": ("monitor",),
    "pgnb.observe.recommendations": ("recommend",),
    "pgnb.observe.retention": ("measure_retention",),
    "pgnb.observe.runs": ("compare_runs",),
    "pgnb.observe.sampler": ("LagSampler",),
    "pgnb.observe.scratch": ("Scratch",),
    "pgnb.observe.topology": ("topology",),
    "pgnb.practices.alerts": ("alert_rules",),
    "pgnb.practices.backups": ("find_backups",),
    "pgnb.logical.cutover": (
        "CutoverTerms",
        "ReverseReplication",
        "cutover_checks",
        "cutover_postchecks",
        "cutover_rights",
        "cutover_status",
        "logical_cutover",
        "measure_cutover",
        "plan_cutover",
        "plan_reverse_replication",
        "plot_cutover",
        "reverse_replication_settings",
    ),
    "pgnb.diagnosis.physical": ("ExpectedReplication", "collect_evidence", "diagnose"),
    "pgnb.physical.failover": (
        "RoleChangeTerms",
        "estimate_loss",
        "measure_failover",
        "operation_checks",
        "plan_fence",
        "plan_followers",
        "plan_promotion",
        "plan_rejoin",
        "plan_service",
        "plan_primary_settings",
        "plan_switchover",
        "plot_failover",
        "role_change_checks",
        "role_change",
        "failover_checks",
    ),
    "pgnb.online.plan": ("ConfigMaps", "plan_online"),
    "pgnb.practices.run_history": ("run_history",),
    "pgnb.practices.practices": (
        "alert_checks",
        "documentation_checks",
        "drill_checks",
        "missing_practices",
        "monitoring_checks",
        "publication_checks",
    ),
    "pgnb.logical.row_comparison": ("compare_published",),
    "pgnb.core.plan": ("gate",),
    "pgnb.physical": (
        "BackupOptions",
        "StandbySpec",
        "layout_checks",
        "plan_base_backup",
        "plan_drop_slot",
        "plan_slot",
        "plan_slots",
        "plan_standby_config",
        "plan_standby_workload",
        "check_source",
        "replication_source",
        "replication_status",
        "slot_checks",
        "slots",
        "desired_slot_checks",
        "standby_checks",
        "standby_pod_checks",
    ),
    "pgnb.runbook.given": ("check_parameters",),
    "pgnb.postgres": ("ServerAccess", "find_server"),
    "pgnb.postgres.config.configmap": ("plan_config_map",),
    "pgnb.postgres.config.configure": ("plan_settings",),
    "pgnb.postgres.config.hba": ("plan_hba",),
    "pgnb.postgres.config.hbarule": ("replication_rules",),
    "pgnb.postgres.lease": ("hold_lease",),
    "pgnb.postgres.config.places": ("configuration_checks",),
    "pgnb.postgres.preflight": ("preflight",),
    "pgnb.postgres.config.restart": ("plan_pending_restart",),
    "pgnb.postgres.progress": ("wait_for_marker",),
    "pgnb.postgres.roles": ("plan_role",),
    "pgnb.postgres.standbys": ("find_standbys", "settings_of"),
}
"""By module, what of it a cell may write; the only place that says so."""
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pgnb' has no attribute {name!r}")
    home = import_module(_HOME_OF[name])
    return import_module(f"{home.__name__}.plots") if name == "plots" else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
