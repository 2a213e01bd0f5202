"""The replication role: LOGIN REPLICATION and nothing more, its password only in a Secret."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.cluster import Right, Secret
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import NotFound, ParameterError, QueryFailed
from pgnb.core.plan import Change, Step
from pgnb.postgres.scram import verifier_of, verifies
from pgnb.postgres.server import Server
from pgnb.postgres.session import compose, identifier, join

DEFAULT_KEY = "password"
"""The key under which a Secret of Kubernetes' type basic-auth keeps a password."""
_PASSWORD_BYTES = 24


@dataclass(frozen=True)
class RolePlan:
    """The current state: which attributes the role lacks, and whether its verifier matches the Secret."""

    role: str
    exists: bool
    missing: tuple[str, ...]
    verifier_fits: bool | None
    """None: the login may not read it, or there is no password to compare it with."""

    @property
    def done(self) -> bool:
        """Whether the role needs no change."""
        return self.exists and not self.missing and self.verifier_fits is not False

    @property
    def summary(self) -> str:
        """The statement, without the verifier."""
        verb = "ALTER" if self.exists else "CREATE"
        parts = [*self.missing, *(() if self.verifier_fits else ("PASSWORD (a SCRAM-SHA-256 verifier)",))]
        return f"{verb} ROLE {self.role} {' '.join(parts)}"


def plan_role(server: Server, role: str, secret_name: str, *, secret_key: str = DEFAULT_KEY) -> Change:
    """Return the plan that gives the replication role what it needs (fact 9 of section 2.1).

    The Secret is created with a random password if it does not exist, and otherwise left unchanged. The
    server gets a verifier that is computed here, so that no password is in a statement or a log. An existing
    role is altered only if it differs. Raises ParameterError for an empty password in the Secret.
    """
    _check_name(role)
    title = f"role {role} on {server.name}"
    if not server.present:
        return Change(title, server.journal, note="the server is not there yet")
    standing = _secret(server, secret_name, secret_key)
    found = look_at_role(server, role, standing)
    steps = []
    if standing is None:
        steps.append(_secret_step(server, role, secret_name, secret_key))
    if not found.done or standing is None:
        steps.append(_role_step(server, found, secret_name, secret_key))
    return Change(
        title,
        server.journal,
        _describe(found, standing),
        _desired(found, secret_name, secret_key),
        steps,
        note=_note(found, server),
        undo_text=_undo_text(found, standing, secret_name),
        undo=lambda: _plan_undo(server, found, standing is None, secret_name),
    )


def role_rights(server: Server, secret_name: str, *, secret_key: str = DEFAULT_KEY) -> Sequence[Right]:
    """Return the right to create the Secret; none if its password exists."""
    there = _secret(server, secret_name, secret_key) is not None
    return [] if there else server.cluster.apply_rights(_secret_manifest(secret_name))


def look_at_role(server: Server, role: str, password: Secret | None) -> RolePlan:
    """Return which attributes a role has and lacks for replication. Source: pg_roles, pg_authid."""
    rows = server.query("role", {"role": role})
    if not rows:
        return RolePlan(role, False, ("LOGIN", "REPLICATION"), False)
    row = rows[0]
    lacks = {
        "LOGIN": not row["can_login"],
        "REPLICATION": not row["can_replicate"],
        "VALID UNTIL 'infinity'": row["expired"],
    }
    fits = _verifier_fits(server, role, password)
    return RolePlan(role, True, tuple(part for part, lacking in lacks.items() if lacking), fits)


def role_checks(server: Server, role: str, secret_name: str, *, secret_key: str = DEFAULT_KEY) -> Checks:
    """Check that the role can replicate with the Secret's password, for `verify`."""
    password = _secret(server, secret_name, secret_key)
    found = look_at_role(server, role, password)
    items = [
        Check("role", found.exists, role if found.exists else "not there", role, "Create it (plan_role)."),
        Check(
            "attributes",
            not found.missing,
            ", ".join(found.missing) or "LOGIN REPLICATION",
            "LOGIN REPLICATION",
            "Alter it (plan_role).",
        ),
        Check(
            "Secret",
            password is not None,
            f"{secret_name}/{secret_key}" if password else "not there",
            f"{secret_name}/{secret_key}",
            "Create it (plan_role).",
        ),
        Check(
            "password",
            found.verifier_fits is not False,
            _fit_words(found),
            "the Secret's",
            "The role's password differs from the Secret: set it (plan_role).",
        ),
    ]
    return Checks.of(f"role {role} on {server.name}", items, server.journal)


def _fit_words(found: RolePlan) -> str:
    words = {True: "the Secret's", False: "another one", None: "cannot be read by this login"}
    return words[found.verifier_fits]


def _check_name(role: str) -> None:
    if not role or len(role.encode()) > 63 or role.startswith("pg_") or role in ("public", "none"):
        raise ParameterError(
            f"not a valid role name: {role!r}", remedy="Use up to 63 bytes, not beginning with pg_."
        )


def _secret(server: Server, secret_name: str, key: str) -> Secret | None:
    """Return the Secret's password, or None if the Secret or the key does not exist."""
    try:
        value = server.cluster.secret_value(secret_name, key)
    except NotFound:
        return None
    if not value:
        raise ParameterError(
            f"the key {key!r} of the Secret {secret_name} is empty",
            remedy="Store a password there, or remove the key, so that a random one is created.",
        )
    return value


def _verifier_fits(server: Server, role: str, password: Secret | None) -> bool | None:
    if password is None:
        return False
    try:
        verifier = server.scalar("role_verifier", {"role": role})
    except QueryFailed as failure:
        if not failure.lacks_right:
            raise
        return None
    return verifies(verifier or "", password.reveal())


def _secret_step(server: Server, role: str, secret_name: str, key: str) -> Step:
    def run() -> str:
        content = {"username": role, key: secrets.token_urlsafe(_PASSWORD_BYTES)}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in content.items()}
        server.cluster.apply(_secret_manifest(secret_name) | {"data": data})
        return "a random password was created"

    return Step(f"secret/{secret_name}", f"create a random password in its key {key}", run, journalled=True)


def _secret_manifest(secret_name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret_name}}


def _role_step(server: Server, found: RolePlan, secret_name: str, key: str) -> Step:
    def run() -> str:
        parts = [compose(part) for part in found.missing]
        if not found.verifier_fits:
            password = server.cluster.secret_value(secret_name, key)
            parts.append(compose("PASSWORD {}", verifier_of(password.reveal())))
        verb = "ALTER ROLE {} {}" if found.exists else "CREATE ROLE {} {}"
        server.execute(compose(verb, identifier(found.role), join(" ", parts)), what=found.summary)
        return "done"

    return Step(server.name, found.summary, run, journalled=True)


def _describe(found: RolePlan, password: Secret | None) -> str:
    secret = "Secret: there\n" if password else "Secret: not there\n"
    if not found.exists:
        return f"role {found.role}: not there\n{secret}"
    lacks = f", lacks {', '.join(found.missing)}" if found.missing else ""
    return f"role {found.role}: exists{lacks}\npassword: {_fit_words(found)}\n{secret}"


def _desired(found: RolePlan, secret_name: str, key: str) -> str:
    return f"role {found.role}: LOGIN REPLICATION\npassword: that of secret/{secret_name}, key {key}\n"


def _note(found: RolePlan, server: Server) -> str:
    if found.exists and found.verifier_fits is None:
        return f"{server.facts.login!r} may not read the role's verifier, so its password is not changed."
    return ""


def _undo_text(found: RolePlan, password: Secret | None, secret_name: str) -> str:
    parts = [] if found.exists else [f"DROP ROLE {found.role}"]
    if password is None:
        parts.append(f"delete secret/{secret_name}")
    return ", ".join(parts) or "not possible: the previous verifier is not kept"


def _plan_undo(server: Server, found: RolePlan, made_secret: bool, secret_name: str) -> Change:
    steps = []
    if not found.exists:
        steps.append(_drop_step(server, found.role))
    if made_secret:
        steps.append(
            Step(
                f"secret/{secret_name}",
                "delete",
                lambda: "deleted" if server.cluster.delete("secrets", secret_name) else "was not there",
                journalled=True,
            )
        )
    return Change(f"undo: role {found.role}", server.journal, steps=steps)


def _drop_step(server: Server, role: str) -> Step:
    def run() -> str:
        server.execute(
            compose("DROP ROLE IF EXISTS {}", identifier(role)), what=f"DROP ROLE IF EXISTS {role}"
        )
        return "dropped"

    return Step(server.name, f"DROP ROLE {role}", run, journalled=True)
