"""What a server is asked: one question after the other, so that one it may not answer costs no other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pgnb.cluster import LogLine
from pgnb.core.errors import NotFound, PgnbError
from pgnb.diagnosis.physical.observation import Condition, RoleSeen, ServerSeen
from pgnb.diagnosis.physical.reach import connection_parts
from pgnb.physical import slots
from pgnb.physical.sizing import five
from pgnb.physical.status import receiver, senders
from pgnb.postgres import Server
from pgnb.postgres.config.edits import file_errors
from pgnb.postgres.config.hba import errors_of
from pgnb.postgres.disk import space_of
from pgnb.postgres.roles import look_at_role

_COLLECTED_BYTES = 64 * 1024
_LINES = 200


def ask(seen: ServerSeen, server: Server) -> ServerSeen:
    """Everything that a diagnosis asks a server, added to what was seen of its pod."""
    unanswered: list[str] = []

    def attempt(what: str, question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except PgnbError as error:
            unanswered.append(f"{what} could not be read: {error.message}")
            return otherwise

    answers = {
        "condition": attempt("its settings", lambda: _condition(server), None),
        "receiver": attempt("pg_stat_wal_receiver", lambda: receiver(server), None),
        "senders": attempt("pg_stat_replication", lambda: senders(server), ()),
        "slots": attempt("pg_replication_slots", lambda: slots(server).items, ()),
        "five": attempt("its five settings", lambda: five(server), {}),
        "senders_free": attempt("its walsenders", lambda: _free_senders(server), None),
        "broken_settings": attempt("its configuration files", lambda: tuple(file_errors(server)), ()),
        "broken_rules": attempt("its pg_hba.conf", lambda: tuple(errors_of(server)), ()),
        "named": attempt("primary_conninfo in its files", lambda: _named(server), ()),
        "disk": attempt("its disk", lambda: space_of(server, server.facts.data_directory), None),
        "log": attempt("its collected log", lambda: _collected(server, seen.log), seen.log),
    }
    return replace(seen, server=server, facts=server.facts, **answers, unanswered=tuple(unanswered))


def _condition(server: Server) -> Condition:
    row = server.fetch_one("diagnosis/condition")
    oldest, size = row["oldest_wal"], server.facts.wal_segment_size
    # A segment's name is, behind its timeline, its number in two parts of 8 digits.
    position = (int(oldest[:8], 16) << 32) + int(oldest[8:], 16) * size if oldest else None
    return Condition(row["settings"], position, row["receiver_silent"], tuple(row["pending"]))


def _free_senders(server: Server) -> int:
    room = server.fetch_one("physical/room")
    return int(room["max_senders"]) - int(room["senders"])


def _named(server: Server) -> tuple[tuple[str, str], ...]:
    """Where primary_conninfo stands in files, with the application_name there; the last one is in force."""
    rows = [row for row in server.query("file_settings") if row["name"] == "primary_conninfo"]
    return tuple(
        (
            f"{row['sourcefile']}:{row['sourceline']}",
            connection_parts(row["setting"]).get("application_name", ""),
        )
        for row in rows
    )


def _collected(server: Server, log: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """The pod's log with the end of the file that the logging collector writes, where it is on."""
    rows = server.query("diagnosis/collected_log", {"bytes": _COLLECTED_BYTES})
    lines = str(rows[0]["content"]).splitlines()[-_LINES:] if rows else []
    return (*log, *(LogLine(line) for line in lines))


def ask_for_role(primary: ServerSeen, name: str, secret: str) -> RoleSeen | None:
    """What the primary says of the role that replicates, and whether its password is the Secret's."""
    if primary.server is None or primary.facts.in_recovery:
        return None
    password = None
    with suppress(NotFound):
        # The Secret may have a name that was not given; then the verifier is held against nothing.
        password = primary.server.cluster.secret_value(secret, "password") if secret else None
    try:
        found = look_at_role(primary.server, name, password)
    except PgnbError:
        # The role only explains; a login that may not read it leaves the explanation to the log.
        return None
    missing = (*(() if found.exists else ("the role itself",)), *found.missing)
    return RoleSeen(name, missing, found.verifier_fits if password else None, secret)
