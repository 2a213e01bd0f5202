"""Copy schemas: one dump a database, loaded in one transaction into an empty database.

pg_dump runs in a helper pod with the publisher's image, as the replication role; its output is loaded as one
statement text over the usual session, which PostgreSQL runs as one transaction. A database that has objects
is never written to: it is compared by catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pgnb.cluster import Cluster, HelperPod, Right
from pgnb.cluster.helpers import Helper
from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Change, Step
from pgnb.logical.schema_diff import SchemaComparison, compare_schemas
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server
from pgnb.postgres.conninfo import conninfo
from pgnb.postgres.source import Source

_PASSFILE = "/run/pgnb-secret/passfile"
"""In the volume of the password's own file, which is memory."""
_OPTIONS = ("--schema-only", "--encoding=UTF8", "--no-publications", "--no-subscriptions", "--no-tablespaces")
_META_COMMAND = re.compile(r"^\\(?:un)?restrict [A-Za-z0-9]+$", re.MULTILINE)
"""What pg_dump writes only for psql, since its security releases of 2025; no server accepts it."""
_SINCE_17 = re.compile(r"^SET transaction_timeout = 0;$", re.MULTILINE)
_OBJECTS = "logical/objects_here"
DUMP_TIMEOUT = 600.0
DUMP_RIGHTS = (
    Right("create", "pods", why="to run pg_dump in a helper pod"),
    Right("delete", "pods", why="to remove the helper pod of pg_dump"),
)


@dataclass(frozen=True)
class _State:
    """One database on the subscriber: whether it exists, and how many objects it has."""

    spec: DatabaseSpec
    there: bool
    objects: int


def plan_schema(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    origin: Source,
    *,
    timeout: float = DUMP_TIMEOUT,
) -> Change:
    """Plan to copy the schema into each of the subscriber's databases that is empty.

    The others are compared by catalog, and the note says how many differences there are; see
    `compare_schemas`. `timeout`: seconds for a dump. Applying raises ChangeFailed, which names each database
    that failed; in such a database nothing was created.
    """
    states = _states(subscriber, specs)
    empty = [state.spec for state in states if not state.objects]
    filled = [state.spec.database for state in states if state.objects]
    compared = compare_schemas(publisher, subscriber, filled)
    names = ", ".join(spec.database for spec in empty)

    def run() -> str:
        return copy_schemas(publisher, subscriber, empty, origin, timeout=timeout)

    what = f"pg_dump --schema-only of {names}, each loaded in one transaction"
    return Change(
        f"schemas on {subscriber.name}",
        subscriber.journal,
        "".join(f"{s.spec.database}: {s.objects or 'no'} objects\n" for s in states),
        "".join(f"{s.spec.database}: {_desired(s)}\n" for s in states),
        [Step(subscriber.name, what, run, journalled=True)] if empty else [],
        note=_note(filled, compared),
        undo_text="drop and create those databases again, before a subscription uses them" if empty else "",
    )


def copy_schemas(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    origin: Source,
    *,
    timeout: float = DUMP_TIMEOUT,
) -> str:
    """Dump and load each database's schema, in parallel, journalled; return what was done."""
    with dump_helper(publisher, subscriber, origin) as helper:

        def copy(spec: DatabaseSpec) -> None:
            text = dump_schema(publisher, helper, origin, spec.database, timeout=timeout)
            load(subscriber, spec.database, text)

        run_all(copy, specs, lambda spec: spec.database)
    return f"{len(specs)} schemas copied"


@contextmanager
def dump_helper(publisher: Server, subscriber: Server, origin: Source) -> Iterator[Helper]:
    """Run a helper pod in which the publisher's pg_dump can run, with a passfile in its memory.

    The certificates that the origin names are mounted as in the subscriber's pod.
    """
    cluster: Cluster = publisher.cluster
    with cluster.helper(origin.given_to(dump_pod(publisher), subscriber.pod)) as helper:
        helper.exec(origin.passfile_writer(_PASSFILE))
        yield helper


def dump_pod(publisher: Server) -> HelperPod:
    """Return the helper pod of a dump, without its password, so that it can be dry-run."""
    owner, image = publisher.owner, publisher.pod.image
    spec = HelperPod("pgnb-dump", image, (), uid=owner.uid or None, gid=owner.gid or None)
    return spec.like(publisher.pod)


def dump_schema(
    publisher: Server,
    helper: Helper,
    origin: Source,
    database: str,
    *,
    tables: Sequence[tuple[str, str]] = (),
    timeout: float = DUMP_TIMEOUT,
) -> str:
    """Return the DDL of a database, or of some of its tables (schema, name), as SQL that a session can run.

    Raises ExecFailed with pg_dump's message.
    """
    target = conninfo(
        {
            "host": origin.host,
            "port": origin.port,
            "user": origin.role,
            "dbname": database,
            "passfile": _PASSFILE,
            **origin.tls,
        }
    )
    chosen = [f"--table={_pattern(schema)}.{_pattern(name)}" for schema, name in tables]
    argv = (publisher.facts.tool("pg_dump"), *_OPTIONS, *chosen, f"--dbname={target}")
    return _META_COMMAND.sub("", helper.exec(argv, timeout=timeout).stdout.decode())


def load(subscriber: Server, database: str, text: str) -> None:
    """Run a dump in one transaction, journalled. Raises QueryFailed; then nothing was created."""
    if subscriber.facts.major < 17:
        text = _SINCE_17.sub("", text)
    what = f"{database}: load the schema ({len(text):,} characters) in one transaction"
    session_ = subscriber.new_session(database, statement_timeout=0)
    with subscriber.journal.act(subscriber.name, what), session_ as session:
        session.execute(text)


def uncopied(subscriber: Server, specs: Sequence[DatabaseSpec]) -> list[DatabaseSpec]:
    """Return those whose database on the subscriber is empty or missing: their schema is dumped."""
    return [state.spec for state in _states(subscriber, specs) if not state.objects]


def _states(subscriber: Server, specs: Sequence[DatabaseSpec]) -> list[_State]:
    there = databases_of(subscriber)
    return map_parallel(lambda spec: _look(subscriber, spec, there), specs)


def _look(subscriber: Server, spec: DatabaseSpec, there: frozenset[str]) -> _State:
    if spec.database not in there:
        return _State(spec, False, 0)
    return _State(spec, True, subscriber.scalar(_OBJECTS, database=spec.database))


def _pattern(name: str) -> str:
    """Return a name as pg_dump's pattern, which takes it literally within double quotes."""
    return '"' + name.replace('"', '""') + '"'


def _desired(state: _State) -> str:
    return f"{state.objects} objects, left as they are" if state.objects else "the publisher's schema"


def _note(filled: Sequence[str], compared: SchemaComparison) -> str:
    if not filled:
        return ""
    found = [f"{name}: {len(compared.of(name))} differences" for name in filled if compared.of(name)]
    same = f"{len(filled) - len(found)} of {len(filled)} already have the publisher's schema"
    return f"{same}. {'; '.join(found)} (compare_schemas shows them)." if found else f"{same}."
