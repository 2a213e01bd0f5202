"""Logical replication: selected tables of several databases, to a separate writable server.

Everything takes `specs` (`database_specs`), one DatabaseSpec a database: its names (`publication`,
`subscription`, `slot`) and what is published (`wish`). `origin` is what `replication_source` answers.

    logical_preflight(publisher, subscriber, specs, *, accept_not_copied=()) -> Checks
    plan_subscriber(publisher, name, *, size="", storage_class="", file="") -> Change
    plan_worker_settings: worker_settings(publisher, subscriber, specs) -> dict for Server.plan_settings
    plan_replica_identity(publisher, specs) -> Change            confirmation allow_replica_identity
    plan_roles, plan_databases(publisher, subscriber, specs) -> Change
    plan_schema(publisher, subscriber, specs, origin) -> Change
    plan_markers(publisher, subscriber, specs) -> Change
    plan_publications(publisher, specs) -> Change
    plan_subscriptions(publisher, subscriber, specs, origin, *, copy_data=True, options=None,
                       slot_timeout=60.0) -> Change
    copy_progress(publisher, subscriber, specs) -> CopyProgress
    wait_copied(publisher, subscriber, specs, timeout=…) -> CopyProgress
    logical_status(publisher, subscriber, specs) -> LogicalStatus
    logical_checks(publisher, subscriber, specs) -> Checks
    wait_applied(publisher, subscriber, specs, timeout=…) -> Applied positions, by database
"""
