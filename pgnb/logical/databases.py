"""The subscriber's databases: created with the publisher's encoding, locale and owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pgnb.core.checks import Check, Checks
from pgnb.core.parallel import run_all
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.logical.database_properties import missing_properties, properties_check
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server, compose, identifier, join
from pgnb.postgres.scratch import unfinished


@dataclass(frozen=True)
class DatabaseDefinition:
    """How a database was created; `bytes` is its size. Source: pg_database.

    `provider` is libc, icu (since 15) or builtin (since 17); `locale` and `rules` belong to the latter two.
    """

    name: str
    owner: str
    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str | None
    rules: str | None
    bytes: int

    @property
    def summary(self) -> str:
        """Encoding, locale and owner in one line."""
        locale = f"{self.provider} {self.locale}" if self.locale else f"{self.collate}, {self.ctype}"
        return f"{self.encoding}, {locale}, owner {self.owner}"

    @property
    def statement(self) -> Any:
        """The statement that creates it, under a temporary name until its privileges are set.

        From template0, which alone accepts another encoding or locale.
        """
        parts = [
            compose("OWNER = {}", identifier(self.owner)),
            compose("TEMPLATE = template0"),
            compose("ENCODING = {}", self.encoding),
            compose("LC_COLLATE = {}", self.collate),
            compose("LC_CTYPE = {}", self.ctype),
        ]
        if self.provider != "libc":
            parts.append(compose(f"LOCALE_PROVIDER = {self.provider}"))
            parts.append(compose(f"{self.provider.upper()}_LOCALE = {{}}", self.locale))
        if self.rules:
            parts.append(compose("ICU_RULES = {}", self.rules))
        return compose("CREATE DATABASE {} {}", identifier(unfinished(self.name)), join(" ", parts))

    def fits(self, other: DatabaseDefinition) -> bool:
        """Return whether the other sorts and stores text in the same way; owner and size aside."""
        return asdict(replace(self, owner="", bytes=0)) == asdict(replace(other, owner="", bytes=0))


def read_definitions(server: Server) -> dict[str, DatabaseDefinition]:
    """Return the databases that accept connections, by name; none of an absent server."""
    return {row["name"]: DatabaseDefinition(**row) for row in server.query("logical/database_definitions")}


def plan_databases(
    publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec], *, create: bool = True
) -> Change:
    """Plan to create, on the subscriber, the databases that it lacks; their owners must exist.

    An existing database is left as it is; a new one gets the publisher's settings and privileges, which no
    dump contains. Without `create` none is created, and `database_checks` names the missing ones. Databases
    of the publisher are never created here: a missing name may be a typing error.
    """
    ours, theirs = read_definitions(publisher), read_definitions(subscriber)
    missing = [ours[s.database] for s in specs if s.database in ours and s.database not in theirs]
    if missing and not create:
        note = (
            f"Not created (create_databases = False): {', '.join(definition.name for definition in missing)}."
        )
        return Change(f"databases on {subscriber.name}", subscriber.journal, note=note)

    def run() -> str:
        # One at a time: each copies template0, which no other session may use meanwhile.
        run_all(lambda m: _make(publisher, subscriber, m), missing, lambda m: m.name, at_once=1)
        return f"{len(missing)} created"

    new = [definition.name for definition in missing]
    properties = missing_properties(publisher, subscriber, new, of_known_roles=True) if new else []
    names = ", ".join(definition.name for definition in missing)
    steps = [Step(subscriber.name, f"CREATE DATABASE {names}", run, journalled=True)] if missing else []
    wanted = [s.database for s in specs]
    return Change(
        f"databases on {subscriber.name}",
        subscriber.journal,
        "".join(f"{name}: {theirs[name].summary}\n" for name in wanted if name in theirs),
        "".join(f"{n}: {(theirs.get(n) or ours[n]).summary}\n" for n in wanted if n in theirs or n in ours)
        + "".join(f"{lacking.shown}\n" for lacking in properties),
        steps,
        undo_text=f"DROP DATABASE {names}" if missing else "",
        undo=lambda: _plan_drop(subscriber, [definition.name for definition in missing]),
    )


def _make(publisher: Server, subscriber: Server, definition: DatabaseDefinition) -> None:
    """Create one, under a temporary name until its privileges are set.

    An interrupted run therefore leaves no open database of that name.
    """
    meanwhile = identifier(unfinished(definition.name))
    subscriber.execute(compose("DROP DATABASE IF EXISTS {}", meanwhile))
    subscriber.execute(definition.statement)
    for lacking in missing_properties(
        publisher, subscriber, [definition.name], of_known_roles=True, called=unfinished
    ):
        lacking.apply(subscriber)
    subscriber.execute(compose("ALTER DATABASE {} RENAME TO {}", meanwhile, identifier(definition.name)))


def _plan_drop(subscriber: Server, names: Sequence[str]) -> Change:
    def run() -> str:
        run_all(lambda database: _drop(subscriber, database), names, str, at_once=1)
        return f"{len(names)} dropped"

    steps = [Step(subscriber.name, f"DROP DATABASE {', '.join(names)}", run, journalled=True)]
    why = "Everything in them is deleted; drop their subscriptions first."
    return Change(
        f"undo: databases on {subscriber.name}",
        subscriber.journal,
        steps=steps,
        confirmations=[Confirmation("drop_databases", ", ".join(names), why)],
    )


def _drop(subscriber: Server, database: str) -> None:
    subscriber.session(database).close()
    subscriber.execute(compose("DROP DATABASE IF EXISTS {}", identifier(database)))


def database_checks(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Check that each database exists with the publisher's encoding and locale; its owner is advice."""
    ours, theirs = read_definitions(publisher), read_definitions(subscriber)
    items = []
    for spec in specs:
        here, there = ours[spec.database], theirs.get(spec.database)
        found = there.summary if there else "missing"
        items.append(
            Check(
                f"{spec.database}: encoding and locale",
                there is not None and here.fits(there),
                found,
                here.summary,
                "Create it by hand, or with create_databases = True; one with another encoding or"
                " collation must be created again.",
            )
        )
        if there is not None:
            items.append(
                Check(
                    f"{spec.database}: owner",
                    here.owner == there.owner,
                    there.owner,
                    here.owner,
                    "ALTER DATABASE ... OWNER TO ...",
                    advice=True,
                )
            )
    items.append(properties_check(publisher, subscriber, [s.database for s in specs if s.database in theirs]))
    return Checks.of(f"Databases of {subscriber.name}", items, subscriber.journal)
