"""Properties of a database that no dump contains: settings (also of roles), privileges, its comment.

Without them clients have another search_path after a cut-over, and a database that PUBLIC could not connect
to is open. Source: the manual, pg_dump ("Notes") and pg_dumpall.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pgnb.core.checks import Check
from pgnb.core.secrecy import MASK
from pgnb.postgres import Server, compose, identifier, join
from pgnb.postgres.session import whole_statement

_LISTS = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
"""Settings whose value is a list of quoted names (GUC_LIST_QUOTE in guc_tables.c)."""
_ITEM = re.compile(r'"((?:[^"]|"")*)"|([^,\s"]+)')
_ROLES = "SELECT rolname::text AS name FROM pg_catalog.pg_roles"
_DATABASES = "SELECT datname::text AS name FROM pg_catalog.pg_database"
_PRIVILEGES = ("CONNECT", "CREATE", "TEMPORARY")


@dataclass(frozen=True)
class MissingProperty:
    """A statement that the subscriber lacks, and how it is displayed: custom settings may be secrets."""

    statement: Any
    shown: str

    @classmethod
    def setting(cls, template: str, whose: Any, setting: str, value: str) -> MissingProperty:
        """Return ALTER … SET; the value of a custom setting (with a dot in its name) is not displayed."""
        statement = compose(template, whose, identifier(setting), _value(setting, value))
        if "." not in setting:
            return cls(statement, whole_statement(statement))
        return cls(statement, whole_statement(compose(template, whose, identifier(setting), compose(MASK))))

    def apply(self, server: Server) -> None:
        """Execute it; the journal has the displayed form."""
        server.execute(self.statement, what=self.shown)


def missing_properties(
    publisher: Server,
    subscriber: Server,
    databases: Sequence[str],
    *,
    of_known_roles: bool = False,
    called: Callable[[str], str] = str,
) -> list[MissingProperty]:
    """Return the statements that give the subscriber's databases the publisher's settings and privileges.

    A database that the subscriber lacks is treated as new: default privileges, no settings. `of_known_roles`:
    leave out what belongs to roles that the subscriber lacks. `called`: the temporary name of a database
    there.
    """
    wanted = {"databases": list(databases)}
    known = {"", *(row["name"] for row in subscriber.query(_ROLES))}
    settings = [
        row
        for row in publisher.query("logical/database_settings", wanted)
        if row["role"] in known or not of_known_roles
    ]
    grants = [
        row
        for row in publisher.query("logical/database_grants", wanted)
        if row["grantee"] in known or not of_known_roles
    ]
    return [
        *_grants(grants, subscriber, list(databases), called),
        *_settings(settings, subscriber.query("logical/database_settings", wanted), called),
        *_comments(publisher, subscriber, wanted, called),
    ]


def missing_role_settings(
    publisher: Server, subscriber: Server, roles: Sequence[str]
) -> list[MissingProperty]:
    """Return the statements that give roles the publisher's settings on the subscriber."""
    wanted = {"names": list(roles)}
    ours = publisher.query("logical/role_settings", wanted)
    there = {(r["role"], r["name"], r["value"]) for r in subscriber.query("logical/role_settings", wanted)}
    return [
        MissingProperty.setting("ALTER ROLE {} SET {} = {}", identifier(r["role"]), r["name"], r["value"])
        for r in ours
        if (r["role"], r["name"], r["value"]) not in there
    ]


def properties_check(publisher: Server, subscriber: Server, databases: Sequence[str]) -> Check:
    """Check, as advice, that the subscriber's databases have the publisher's properties."""
    lacking = [one.shown for one in missing_properties(publisher, subscriber, databases)]
    return Check(
        "settings, privileges, comments of databases",
        not lacking,
        f"{len(lacking)} missing" if lacking else "alike",
        "alike",
        "A dump does not contain them. Run on the subscriber: " + "; ".join(lacking) + ".",
        advice=True,
    )


def _settings(
    ours: Sequence[Any], theirs: Sequence[Any], called: Callable[[str], str]
) -> Iterator[MissingProperty]:
    there = {(row["database"], row["role"], row["name"], row["value"]) for row in theirs}
    for row in ours:
        if (row["database"], row["role"], row["name"], row["value"]) in there:
            continue
        whose = compose("DATABASE {}", identifier(called(row["database"])))
        if row["role"]:
            whose = compose("ROLE {} IN {}", identifier(row["role"]), whose)
        yield MissingProperty.setting("ALTER {} SET {} = {}", whose, row["name"], row["value"])


def _comments(
    publisher: Server, subscriber: Server, wanted: dict[str, list[str]], called: Callable[[str], str]
) -> Iterator[MissingProperty]:
    there = {(r["database"], r["comment"]) for r in subscriber.query("logical/database_comments", wanted)}
    for row in publisher.query("logical/database_comments", wanted):
        if (row["database"], row["comment"]) not in there:
            statement = compose(
                "COMMENT ON DATABASE {} IS {}", identifier(called(row["database"])), row["comment"]
            )
            yield MissingProperty(statement, whole_statement(statement))


def _grants(
    granted_there: Sequence[Any], subscriber: Server, databases: list[str], called: Callable[[str], str]
) -> Iterator[MissingProperty]:
    ours = {database: set[tuple[str, str, bool]]() for database in databases}
    theirs = {database: {("", "CONNECT", False), ("", "TEMPORARY", False)} for database in databases}
    for row in granted_there:
        ours[row["database"]].add((row["grantee"], row["privilege"], row["grantable"]))
    there = {row["name"] for row in subscriber.query(_DATABASES)}
    theirs |= {database: set() for database in databases if database in there}
    for row in subscriber.query("logical/database_grants", {"databases": databases}):
        theirs[row["database"]].add((row["grantee"], row["privilege"], row["grantable"]))
    for database in databases:
        for revoked in sorted(theirs[database] - ours[database]):
            yield _privilege("REVOKE {} ON DATABASE {} FROM {}", called(database), revoked)
        for granted in sorted(ours[database] - theirs[database]):
            option = " WITH GRANT OPTION" if granted[2] else ""
            yield _privilege(f"GRANT {{}} ON DATABASE {{}} TO {{}}{option}", called(database), granted)


def _privilege(template: str, database: str, grant: tuple[str, str, bool]) -> MissingProperty:
    grantee, privilege, _ = grant
    word = next(known for known in _PRIVILEGES if known == privilege)
    whom = identifier(grantee) if grantee else compose("PUBLIC")
    statement = compose(template, compose(word), identifier(database), whom)
    return MissingProperty(statement, whole_statement(statement))


def _value(setting: str, value: str) -> Any:
    """Return a setting's value as ALTER takes it: a list item by item, since one text would be one name."""
    if setting.lower() not in _LISTS:
        return compose("{}", value)
    items = [quoted.replace('""', '"') if quoted else plain for quoted, plain in _ITEM.findall(value)]
    return join(", ", [compose("{}", item) for item in items or [""]])
