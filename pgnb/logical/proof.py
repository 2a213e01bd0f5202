"""The proof that a table is replicated: its rows counted on both sides around one position of the WAL."""

from __future__ import annotations

from pgnb.checks import Check, Checks
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.wishes import qualified
from pgnb.server import Server, compose, name
from pgnb.server.progress import lsn_bytes, marker
from pgnb.wait import wait_until


def wait_confirmed(publisher: Server, slot: str, *, timeout: float) -> str:
    """Wait until a slot's consumer has confirmed everything that is committed now; the position.

    `timeout` in seconds. Raises DeadlineExceeded with the slot's state.
    """
    lsn = marker(publisher)
    wait_until(
        f"the slot {slot} to confirm {lsn}", lambda: logical_slots(publisher).get(slot),
        lambda now: now is not None and lsn_bytes(now.confirmed_flush_lsn or "0/0") >= lsn_bytes(lsn),
        timeout=timeout, every=0.05, describe=lambda now: now.words if now else "no slot",
        remedy="The apply is too far behind, or does not go on: diagnose it (12_09_logical_troubleshooting).",
    )  # fmt: skip
    return lsn


def table_checks(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, table: str, *, timeout: float = 60.0
) -> Checks:
    """Checks that the subscription has the table, that its copy is through, and that the rows arrived.

    The publisher's rows are counted before and after the subscriber's, so that writers may go on. `timeout`:
    seconds for what is written before to be applied. Raises DeadlineExceeded when it is not.
    """
    key, title = qualified(table), f"{spec.database}: {table} on both sides"
    journal = publisher.journal
    if journal.dry_run:
        return Checks.of(
            title, [Check("rows", False, "this run only plans", "equal")], journal
        )
    subscription = read_subscriptions(subscriber, spec.database).get(spec.subscription)
    named = {"subscription": spec.subscription}
    rows = subscriber.query("logical/copying", named, database=spec.database)
    state = next((row["state"] for row in rows if (row["schema"], row["table"]) == key), None)
    ready = Check("its copy", state == "r", state or "not known to the subscription", "r (ready)",
                  "REFRESH the subscription, and read its log (12_09_logical_troubleshooting).")  # fmt: skip
    if state != "r" or subscription is None:
        return Checks.of(title, [ready], journal)
    before = _count(publisher, spec, key)
    lsn = wait_confirmed(publisher, subscription.slot or spec.slot, timeout=timeout)
    found, after = _count(subscriber, spec, key), _count(publisher, spec, key)
    low, high = min(before, after), max(before, after)
    wanted = f"{low:,} rows" if low == high else f"{low:,} to {high:,} rows"
    items = [ready, Check(f"its rows at {lsn}", low <= found <= high, f"{found:,} rows", wanted,
                          "Resynchronise the table (12_09_logical_troubleshooting).")]  # fmt: skip
    return Checks.of(title, items, journal)


def _count(server: Server, spec: DatabaseSpec, key: tuple[str, str]) -> int:
    with server.new_session(spec.database, statement_timeout=0) as session:
        return int(session.query(compose("SELECT count(*) AS rows FROM {}", name(*key)))[0]["rows"])
