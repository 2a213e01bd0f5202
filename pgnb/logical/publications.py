"""Plan publications: compared with the existing ones and altered; nothing is dropped or removed.

A publication that was dropped while a subscription uses it stalls it permanently and loses rows without an
error, so no statement here drops one, or a table of one (fact 48 of the procedure's section 12.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Change, Step
from pgnb.logical.filters import same_filter
from pgnb.logical.publication import Publication, read_publications
from pgnb.logical.publication_spec import ALL_OPERATIONS, PublicationSpec, PublishedTable
from pgnb.logical.slots import unused
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.updates import publisher_obstacles
from pgnb.postgres import Server, compose, identifier, join
from pgnb.postgres.session import statement_text

_SHOWN = 5
"""Tables that a check names."""


@dataclass(frozen=True)
class _Plan:
    """One database: its publication now and as planned, and the statements."""

    spec: DatabaseSpec
    now: Publication | None
    then: Publication
    statements: tuple[Any, ...]
    extra: tuple[str, ...]
    """What it publishes in addition to the spec, which remains."""


def plan_publications(publisher: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """Plan the publications so that each holds what its spec says, with its operations.

    What is published in addition remains, and the note names it. Raises GateClosed for a publication of all
    tables where some are desired, or the reverse: that cannot be altered; ParameterError for what the
    server's version cannot publish.
    """
    title = f"publications on {publisher.name}"
    plans = map_parallel(lambda spec: _plan(publisher, spec), specs)
    changed = [plan for plan in plans if plan.statements]
    steps = (
        [Step(publisher.name, _says(changed), lambda: _carry_out(publisher, changed), journalled=True)]
        if changed
        else []
    )
    return Change(
        title,
        publisher.journal,
        _text([(p.spec, p.now) for p in plans]),
        _text([(p.spec, p.then) for p in plans]),
        steps,
        note=_note(plans),
        undo_text=_undo_text(changed),
        undo=lambda: _plan_undo(publisher, changed),
        precheck=lambda: update_checks(publisher, [plan.spec for plan in changed]),
    )


def update_checks(publisher: Server, specs: Sequence[DatabaseSpec], *, planned: bool = False) -> Checks:
    """Check, by database, that the publisher accepts UPDATE and DELETE once these are published.

    Every table needs an identity that contains its row filter's and column list's columns. `planned`: as if
    the identities of `plan_replica_identity` were set. Raises QueryFailed.
    """
    found = publisher_obstacles(publisher, specs, planned=planned)
    items = []
    for spec in specs:
        wrong = [one for one in found if one.database == spec.database]
        words = "; ".join(f"{one.table}: {one.found}" for one in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        remedy = " ".join(dict.fromkeys(one.remedy for one in wrong))
        every, name_ = "for every table", f"{spec.database}: UPDATE and DELETE are accepted"
        items.append(Check(name_, not wrong, f"{words}{more}" or every, every, remedy))
    return Checks.of(f"Once published by {publisher.name}", items, publisher.journal)


def _plan(publisher: Server, spec: DatabaseSpec) -> _Plan:
    if spec.desired.needs_15 and publisher.present and publisher.facts.major < 15:
        raise ParameterError(
            f"{spec.database}: schemas, row filters and column lists need PostgreSQL 15",
            found=f"PostgreSQL {publisher.facts.version_text}",
            remedy="Name whole tables only.",
        )
    now = read_publications(publisher, spec.database).get(spec.publication) if publisher.present else None
    if now is None:
        made = Publication(spec.publication, spec.desired, spec.operations, spec.via_root)
        return _Plan(spec, None, made, (_create(spec),), ())
    return _altered(publisher, spec, now)


def _altered(publisher: Server, spec: DatabaseSpec, now: Publication) -> _Plan:
    if now.holds.all_tables != spec.desired.all_tables:
        raise GateClosed(
            f"{spec.database}: the publication {spec.publication} cannot be altered into the desired one",
            found=f"it is for {now.holds.summary}, desired: {spec.desired.summary}",
            remedy="Set the parameter publish to what it is, or create a publication of another name and"
            " move the subscription to it by ALTER SUBSCRIPTION ... SET PUBLICATION; never drop"
            " one in use.",
        )
    _refuse_other_root(spec, now)
    then = replace(now, holds=_merged(publisher, spec, now.holds), operations=spec.operations)
    statements = []
    if then.holds != now.holds:
        statements.append(
            compose(
                "ALTER PUBLICATION {} SET {}", identifier(spec.publication), publication_objects(then.holds)
            )
        )
    if now.operations != spec.operations:
        statements.append(
            compose("ALTER PUBLICATION {} SET (publish = {})", identifier(spec.publication), spec.operations)
        )
    return _Plan(spec, now, then, tuple(statements), _extra(spec.desired, now.holds))


def _refuse_other_root(spec: DatabaseSpec, now: Publication) -> None:
    """Refuse to change it in use: a subscription would get changes under names that it has not copied."""
    if spec.via_root and not now.via_root:
        raise GateClosed(
            f"{spec.database}: {spec.publication} does not publish by the partitioned table, and is in use",
            found="publish_via_partition_root = false",
            remedy="Set publish_via_partition_root = False; or drop the subscription and the publication,"
            " empty the tables on the subscriber, and set them up again.",
        )


def _merged(publisher: Server, spec: DatabaseSpec, now: PublicationSpec) -> PublicationSpec:
    """Return what exists and what is desired, together; a table that is desired otherwise is altered."""
    there = {(table.schema, table.name): table for table in now.tables}
    for table in spec.desired.tables:
        found = there.get((table.schema, table.name))
        if found is None or not _same(publisher, spec.database, found, table):
            there[table.schema, table.name] = table
    schemas = tuple(dict.fromkeys((*now.schemas, *spec.desired.schemas)))
    return PublicationSpec(now.all_tables, schemas, tuple(there.values()))


def _same(publisher: Server, database: str, found: PublishedTable, desired: PublishedTable) -> bool:
    if set(found.columns) != set(desired.columns):
        return False
    return same_filter(publisher, database, found, desired.where)


def _extra(desired: PublicationSpec, now: PublicationSpec) -> tuple[str, ...]:
    named = {(table.schema, table.name) for table in desired.tables}
    tables = [table.summary for table in now.tables if (table.schema, table.name) not in named]
    return (*(f"every table of {s}" for s in now.schemas if s not in desired.schemas), *tables)


def _create(spec: DatabaseSpec) -> Any:
    objects = publication_objects(spec.desired)
    options = {
        **({"publish": spec.operations} if spec.operations != ALL_OPERATIONS else {}),
        **({"publish_via_partition_root": True} if spec.via_root else {}),
    }
    made = compose("CREATE PUBLICATION {} FOR {}", identifier(spec.publication), objects)
    pairs = [compose(f"{option} = {{}}", value) for option, value in options.items()]
    return compose("{} WITH ({})", made, join(", ", pairs)) if pairs else made


def publication_objects(spec: PublicationSpec) -> Any:
    """Return what follows FOR in CREATE PUBLICATION, or SET in ALTER PUBLICATION, as SQL."""
    if spec.all_tables:
        return compose("ALL TABLES")
    tables = [compose("TABLE {}", join(", ", [_table(table) for table in spec.tables]))]
    schemas = [compose("TABLES IN SCHEMA {}", join(", ", [identifier(schema) for schema in spec.schemas]))]
    return join(", ", [*(tables if spec.tables else ()), *(schemas if spec.schemas else ())])


def _table(table: PublishedTable) -> Any:
    columns = join(", ", [identifier(column) for column in table.columns])
    parts: list[Any] = [*([compose("ONLY")] if table.only else []), identifier(table.schema, table.name)]
    if table.columns:
        parts.append(compose("({})", columns))
    if table.where:
        # The operator's own SQL, like WHERE of a query; braces in it are not placeholders.
        parts.append(compose("WHERE ({})", compose(table.where.replace("{", "{{").replace("}", "}}"))))
    return join(" ", parts)


def _carry_out(publisher: Server, plans: Sequence[_Plan]) -> str:
    def run(plan: _Plan) -> None:
        for statement in plan.statements:
            publisher.execute(statement, database=plan.spec.database)

    run_all(run, plans, lambda plan: plan.spec.database)
    return f"{len(plans)} publications"


def _says(plans: Sequence[_Plan]) -> str:
    words = [f"{p.spec.database}: {statement_text(s)}" for p in plans for s in p.statements]
    return "\n".join(words)


def _text(states: Sequence[tuple[DatabaseSpec, Publication | None]]) -> str:
    lines = [f"{s.database}: {s.publication}: {p.summary if p else 'missing'}" for s, p in states]
    return "".join(f"{line}\n" for line in lines)


def _note(plans: Sequence[_Plan]) -> str:
    extra = [f"{plan.spec.database}: {', '.join(plan.extra)}" for plan in plans if plan.extra]
    later = [
        f"{plan.spec.database}: {plan.spec.desired.later}" for plan in plans if plan.spec.desired.excluded
    ]
    words = [
        *(
            [f"Published in addition to what was requested, and left as it is: {'; '.join(extra)}."]
            if extra
            else ()
        ),
        *([f"{'; '.join(later)}. 12.7 adds them."] if later else ()),
    ]
    return " ".join(words)


def _undo_text(changed: Sequence[_Plan]) -> str:
    made = [plan.spec.publication for plan in changed if plan.now is None]
    return (
        f"drop {', '.join(made)}, before a subscription uses it"
        if made
        else ("the previous publication, by ALTER")
    )


def _plan_undo(publisher: Server, changed: Sequence[_Plan]) -> Change:
    """Plan to drop what was created and restore what was altered; no subscription may use it any more."""
    backs = [replace(plan, statements=_back(plan)) for plan in changed]
    step = Step(publisher.name, _says(backs), lambda: _carry_out(publisher, backs), journalled=True)
    return Change(
        f"undo: publications on {publisher.name}",
        publisher.journal,
        steps=[step],
        precheck=lambda: unused(publisher, [plan.spec for plan in changed if plan.now is None]),
    )


def _back(plan: _Plan) -> tuple[Any, ...]:
    known = identifier(plan.spec.publication)
    if plan.now is None:
        return (compose("DROP PUBLICATION IF EXISTS {}", known),)
    statements = [compose("ALTER PUBLICATION {} SET (publish = {})", known, plan.now.operations)]
    if plan.now.holds.tables or plan.now.holds.schemas:
        statements.append(compose("ALTER PUBLICATION {} SET {}", known, publication_objects(plan.now.holds)))
    return tuple(statements)
