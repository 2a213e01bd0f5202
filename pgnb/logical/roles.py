"""Roles: those that the databases need on the subscriber, and the read rights of the replication role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgnb.core.checks import Check
from pgnb.core.plan import Change, Step
from pgnb.logical.database_properties import missing_role_settings
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import HbaRule, Server, compose, identifier, join

_EXISTING = "SELECT rolname AS name, rolcanlogin AS login, rolpassword AS verifier FROM pg_catalog.pg_authid"
_READER = "pg_read_all_data"
_IS_MEMBER = """
SELECT rolsuper OR pg_catalog.pg_has_role(rolname, 'pg_read_all_data', 'USAGE') AS reads
  FROM pg_catalog.pg_roles WHERE rolname = %s
"""


@dataclass(frozen=True)
class Role:
    """A role as in pg_authid; `verifier` is compared with its password, and never displayed."""

    name: str
    inherit: bool
    createrole: bool
    createdb: bool
    login: bool
    superuser: bool
    connlimit: int
    verifier: str | None = field(repr=False)
    valid_until: str | None
    member_of: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The role with its attributes, without the verifier."""
        if self.superuser:
            return f"{self.name}: NOLOGIN, no superuser (superuser on the publisher)"
        password = "LOGIN, the publisher's verifier" if self.verifier else "LOGIN"
        return f"{self.name}: {password if self.login else 'NOLOGIN'}"

    @property
    def statement(self) -> Any:
        """The statement that creates it: a superuser becomes an owner without a login."""
        if self.superuser:
            return compose("CREATE ROLE {} NOLOGIN", identifier(self.name))
        flags = {
            "LOGIN": self.login,
            "INHERIT": self.inherit,
            "CREATEROLE": self.createrole,
            "CREATEDB": self.createdb,
        }
        parts = [compose(flag if on else f"NO{flag}") for flag, on in flags.items()]
        parts.append(compose("CONNECTION LIMIT {}", self.connlimit))
        if self.verifier:
            parts.append(compose("PASSWORD {}", self.verifier))
        if self.valid_until:
            parts.append(compose("VALID UNTIL {}", self.valid_until))
        return compose("CREATE ROLE {} {}", identifier(self.name), join(" ", parts))


def plan_roles(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """Plan to create, on the subscriber, the roles that the databases need and that it lacks.

    Owners, grantees and the roles that these belong to, with attributes, memberships, settings and SCRAM
    verifiers, so that clients can log in after a cut-over. No password is read or sent. An existing role is
    left as it is.
    """
    there = {row["name"] for row in subscriber.query(_EXISTING)}
    missing = [role for role in _needed(publisher, specs) if role.name not in there]

    def run() -> str:
        for role in missing:
            subscriber.execute(role.statement, what=f"CREATE ROLE {role.summary}")
        for role in missing:
            _grant(subscriber, role)
        for lacking in settings:
            lacking.apply(subscriber)
        return f"{len(missing)} created"

    settings = missing_role_settings(publisher, subscriber, [role.name for role in missing])
    names = ", ".join(role.name for role in missing)
    steps = [Step(subscriber.name, f"CREATE ROLE {names}", run, journalled=True)] if missing else []
    return Change(
        f"roles on {subscriber.name}",
        subscriber.journal,
        "",
        "".join(f"{role.summary}\n" for role in missing)
        + "".join(f"{lacking.shown}\n" for lacking in settings),
        steps,
        undo_text=f"DROP ROLE {names}, once they own nothing" if missing else "",
    )


def role_checks(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    """Check how many roles the databases need; advice for existing roles that differ.

    Clients may not be able to log in with those. A different verifier may still be of the same password: only
    the client can tell.
    """
    needed = _needed(publisher, specs)
    there = {row["name"]: row for row in subscriber.query(_EXISTING)}
    lacking = [role.name for role in needed if role.name not in there]
    found = f"{len(needed)} needed, {len(lacking)} to be created"
    yield Check("roles", True, found, "missing ones are created (12.4)")
    own = [
        role.name
        for role in needed
        if role.login
        and not role.superuser
        and role.name in there
        and (role.login, role.verifier) != (there[role.name]["login"], there[role.name]["verifier"])
    ]
    yield Check(
        "existing roles",
        not own,
        ", ".join(own) or "as on the publisher",
        "as on the publisher",
        "They are left as they are: before a cut-over, check that clients can log in with them.",
        advice=True,
    )


def _needed(publisher: Server, specs: Sequence[DatabaseSpec]) -> list[Role]:
    databases = [spec.database for spec in specs]
    rows = publisher.query("logical/roles_needed", {"databases": databases})
    return [Role(**{**row, "member_of": tuple(row["member_of"])}) for row in rows]


def _grant(subscriber: Server, role: Role) -> None:
    for group in role.member_of:
        subscriber.execute(compose("GRANT {} TO {}", identifier(group), identifier(role.name)))


def plan_reader(publisher: Server, role: str) -> Change:
    """Plan to let the replication role read every table, which the initial copy and pg_dump need."""
    rows = publisher.query(_IS_MEMBER, (role,))
    if rows and rows[0]["reads"]:
        return Change(f"{role} reads", publisher.journal, note=f"{role} may read every table already.")
    statement = compose("GRANT {} TO {}", identifier(_READER), identifier(role))
    back = compose("REVOKE {} FROM {}", identifier(_READER), identifier(role))

    def step(sql: Any, words: str) -> Step:
        return Step(publisher.name, words, lambda: str(publisher.execute(sql)) and "done", journalled=True)

    return Change(
        f"{role} reads",
        publisher.journal,
        "",
        f"{role}: member of {_READER}\n",
        [step(statement, f"GRANT {_READER} TO {role}")],
        undo_text=f"REVOKE {_READER} FROM {role}",
        undo=lambda: Change(
            f"undo: {role} reads", publisher.journal, steps=[step(back, f"REVOKE {_READER} FROM {role}")]
        ),
    )


def subscription_rules(role: str, networks: Sequence[str], *, tls: bool) -> tuple[HbaRule, ...]:
    """Return the rules that let the role connect to any database from networks (CIDR), hostssl with TLS.

    A logical walsender connects to its database: a rule for `replication` does not allow it.
    """
    kind = "hostssl" if tls else "host"
    return tuple(HbaRule(kind, "all", role, one, "scram-sha-256").checked() for one in networks)
