"""The proof that a table is replicated: its rows counted on both sides around one position of the WAL."""

from __future__ import annotations

from pgnb.core.checks import Check, Checks
from pgnb.logical.arrival import wait_applied
from pgnb.logical.publication_spec import qualified
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.table_identity import leaves, read_identities
from pgnb.postgres import Server, compose, identifier


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
        return Checks.of(title, [Check.fact("rows", "not counted: this run only plans")], journal)
    named = {"subscription": spec.subscription}
    rows = subscriber.query("logical/copying", named, database=spec.database)
    states = {(row["schema"], row["table"]): row["state"] for row in rows}
    names = [key] if key in states else _parts(publisher, spec, key)
    found_states = [f"{schema}.{name}: {states.get((schema, name), 'not known')}" for schema, name in names]
    copied = all(states.get(one) == "r" for one in names)
    ready = Check(
        "its copy",
        copied,
        "r" if copied else "; ".join(found_states),
        "r (ready)",
        "REFRESH the subscription, and read its log (12_09_logical_troubleshooting).",
    )
    if not copied:
        return Checks.of(title, [ready], journal)
    before = _count(publisher, spec, key)
    lsn = wait_applied(publisher, subscriber, [spec], timeout=timeout).lsn
    found, after = _count(subscriber, spec, key), _count(publisher, spec, key)
    low, high = min(before, after), max(before, after)
    wanted = f"{low:,} rows" if low == high else f"{low:,} to {high:,} rows"
    items = [
        ready,
        Check(
            f"its rows at {lsn}",
            low <= found <= high,
            f"{found:,} rows",
            wanted,
            "Resynchronise the table (12_09_logical_troubleshooting).",
        ),
    ]
    return Checks.of(title, items, journal)


def _parts(publisher: Server, spec: DatabaseSpec, key: tuple[str, str]) -> list[tuple[str, str]]:
    """The names under which its rows are copied: its partitions', where it is not published as a whole."""
    tables = read_identities(publisher, spec.database)
    here = tables.get(key)
    return [one.named for one in leaves(here, tables.values())] if here else [key]


def _count(server: Server, spec: DatabaseSpec, key: tuple[str, str]) -> int:
    with server.new_session(spec.database, statement_timeout=0) as session:
        return int(session.query(compose("SELECT count(*) AS rows FROM {}", identifier(*key)))[0]["rows"])
