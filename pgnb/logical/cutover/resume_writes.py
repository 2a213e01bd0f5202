"""Decide whether writes may be allowed again on the old publisher.

Somebody else may have completed the cut-over that failed, and clients may already write on the subscriber.
What cannot be read counts as a reason against it: then writes stay blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pgnb.core.errors import LeaseLost, PgnbError
from pgnb.core.parallel import map_parallel
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.write_block import allow_writes
from pgnb.postgres.services import own_labels, read_service, selector_words

GO_ON = (
    "Writes stay blocked on {publisher}. Check where the Service leads, and on which server clients"
    " write. To complete the cut-over, run this again (operation = cutover). To go back, switch the Service"
    " to {publisher} and run this with operation = abandon."
)


def subscribed_specs(cut: Cutover) -> list[DatabaseSpec]:
    """Return the databases whose subscription still exists. Raises what the subscriber raises."""
    found = map_parallel(
        lambda spec: spec.subscription in read_subscriptions(cut.subscriber, spec.database), cut.specs
    )
    return [spec for spec, there in zip(cut.specs, found, strict=True) if there]


def reasons_against(cut: Cutover) -> tuple[str, ...]:
    """Return why clients must not write on the publisher again; empty if there is no reason."""
    return tuple(
        reason
        for look in (_lease, _subscriptions, _service, _clients)
        for reason in _read(lambda look=look: list(look(cut)))  # type: ignore[misc]
    )


def _read(look: Callable[[], list[str]]) -> list[str]:
    try:
        return look()
    except PgnbError as unread:
        return [f"not read: {unread.message}{f' ({unread.found})' if unread.found else ''}"]


def _lease(cut: Cutover) -> Iterator[str]:
    """Report a lost Lease: its new holder may have continued the cut-over."""
    try:
        cut.cluster.journal.assert_guarded()
    except LeaseLost as lost:
        yield f"{lost.message} ({lost.found})"


def _subscriptions(cut: Cutover) -> Iterator[str]:
    subscribed = {spec.database for spec in subscribed_specs(cut)}
    dropped = [spec.database for spec in cut.specs if spec.database not in subscribed]
    if dropped:
        yield f"the subscriptions of {', '.join(dropped)} are dropped"


def _service(cut: Cutover) -> Iterator[str]:
    """Report a Service whose selector does not match the publisher's pod, or matches the subscriber alone."""
    selector = read_service(cut)["spec"]["selector"]
    wanted = own_labels(cut.subscriber)
    to_subscriber = all(selector.get(key) == value for key, value in wanted.items())
    labels = cut.publisher.pod.labels
    to_publisher = all(labels.get(key) == value for key, value in selector.items())
    if to_subscriber or not to_publisher:
        where = "to the subscriber" if to_subscriber else "not to the publisher"
        yield f"the Service {cut.service} leads {where} ({selector_words(selector)})"


_WRITTEN = """
SELECT DISTINCT a.datname AS database
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type = 'client backend' AND a.datname = ANY (%s) AND a.backend_xid IS NOT NULL
   AND a.pid <> pg_catalog.pg_backend_pid()
"""


def _clients(cut: Cutover) -> Iterator[str]:
    """Report clients that write on the subscriber now."""
    rows = cut.subscriber.query(_WRITTEN, (list(cut.specs.databases),))
    if rows:
        yield f"clients write on the subscriber, in {', '.join(sorted(row['database'] for row in rows))}"


def restore_writes(cut: Cutover) -> str:
    """Allow writes again if no reason speaks against it; return what was done. Raises no PgnbError."""
    against = reasons_against(cut)
    how = GO_ON.format(publisher=cut.publisher.name)
    if against:
        return f"Writes were not allowed again: {'; '.join(against)}. {how}"
    try:
        return f"Restored: {allow_writes(cut.publisher, cut.blocked_databases)}."
    except PgnbError as failed:
        found = f" ({failed.found})" if failed.found else ""
        return f"RESTORING WRITES FAILED: {failed.message}{found}. {how}"
