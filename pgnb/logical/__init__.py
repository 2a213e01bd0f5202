"""Logical replication: selected tables of several databases, to a separate writable server.

Everything takes `specs` (`database_specs`), one DatabaseSpec a database: its names (`publication`,
`subscription`, `slot`) and what is published (`wish`). `origin` is what `replication_source` answers.

    pair_checks(publisher, subscriber, databases=(), *, secret="", allow_restart=False) -> Checks
                                        a standby is refused, and who lacks a right that the set-up takes
    publisher_preflight(publisher, specs, *, accept_not_copied=()) -> Checks     before a subscriber is there
    logical_preflight(publisher, subscriber, specs, *, accept_not_copied=(), ...) -> Checks
    plan_subscriber(publisher, name, *, size="", storage_class="", file="") -> Change
    worker_settings(publisher, subscriber, specs) -> Needs      .publisher and .subscriber for plan_settings
    plan_replica_identity(publisher, specs) -> Change            confirmation allow_replica_identity
    plan_subscriber_identity(publisher, subscriber, specs) -> Change
                                        the same on the subscriber, before a publication exists
    plan_roles, plan_databases(publisher, subscriber, specs) -> Change
    plan_schema(publisher, subscriber, specs, origin) -> Change
    plan_markers(publisher, subscriber, specs) -> Change
    plan_publications(publisher, specs) -> Change
    plan_subscriptions(publisher, subscriber, specs, origin, *, copy_data=True, options=None,
                       slot_timeout=60.0) -> Change          confirmation reuse_slots
    copy_progress(publisher, subscriber, specs) -> CopyProgress
    wait_copied(publisher, subscriber, specs, timeout=…) -> CopyProgress
    logical_status(publisher, subscriber, specs) -> LogicalStatus
    prove_rows(publisher, subscriber, specs, timeout=…) -> Proofs
    wait_applied(publisher, subscriber, specs, lsn="", timeout=…) -> Confirmed

Rows are counted on both sides by `pgnb.logical.row_comparison.compare_published`.
"""
