"""Choose one remedy by its name, as a notebook's parameter gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.core.errors import ParameterError
from pgnb.core.findings import Diagnosis
from pgnb.core.plan import Change
from pgnb.logical.publication_spec import qualified
from pgnb.logical.remedies.identity import plan_identity
from pgnb.logical.remedies.recreate import plan_recreate
from pgnb.logical.remedies.resync import plan_resync
from pgnb.logical.remedies.subscription import plan_enable, plan_refresh, plan_skip
from pgnb.logical.remedies.workers import plan_workers
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server
from pgnb.postgres.source import Source

REMEDIES = ("enable", "refresh", "identity", "workers", "resync", "recreate", "skip")
"""Those that lose nothing first; skip, which permanently skips changes, last."""


@dataclass(frozen=True)
class RemedyChoice:
    """The remedy that the operator chose by its name, and what it is for; "" chooses none.

    `database` is one of the specs'; `table` (`schema.table`) is what resync copies again.
    """

    name: str
    database: str = ""
    table: str = ""


def plan_remedy(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    diagnosis: Diagnosis,
    origin: Source,
    choice: RemedyChoice,
    *,
    allow_restart: bool = False,
) -> Change:
    """Plan the chosen remedy; if none is chosen, nothing.

    Other data, such as the LSN of SKIP, are the diagnosis'. Each asks for `confirm_remedy`: the name of the
    subscription (enable, refresh, identity, recreate), the LSN (skip), the table (resync), the setting
    (workers). `allow_restart`: the subscriber is restarted afterwards if workers need it. Raises
    ParameterError and GateClosed before anything is changed.
    """
    remedy, database = choice.name, choice.database
    if not remedy:
        return Change(
            "no remedy", subscriber.journal, note="The parameter remedy is empty: nothing to change."
        )
    if remedy not in REMEDIES:
        raise ParameterError(f"no such remedy: {remedy!r}", remedy=f"Valid remedies: {', '.join(REMEDIES)}.")
    if remedy == "workers":
        return plan_workers(subscriber, allow_restart=allow_restart)
    spec = _spec(specs, database)
    if remedy == "enable":
        return plan_enable(subscriber, spec)
    if remedy == "identity":
        return plan_identity(publisher, subscriber, spec)
    if remedy == "refresh":
        unknown = tuple(f.subject for f in diagnosis if (f.kind, f.database) == ("not-refreshed", database))
        return plan_refresh(subscriber, spec, unknown)
    if remedy == "skip":
        found = next((f for f in diagnosis if f.database == database and f.lsn), None)
        return plan_skip(
            subscriber, spec, found.lsn if found else None, "; ".join(found.evidence) if found else ""
        )
    if remedy == "resync":
        return plan_resync(publisher, subscriber, spec, qualified(_named(choice.table)))
    return plan_recreate(publisher, subscriber, spec, origin)


def _spec(specs: Sequence[DatabaseSpec], database: str) -> DatabaseSpec:
    found = next((spec for spec in specs if spec.database == database), None)
    if found is None:
        raise ParameterError(
            f"no such replicated database: {database!r}",
            found=", ".join(spec.database for spec in specs) or "none",
            remedy="Set remedy_database to one of them.",
        )
    return found


def _named(table: str) -> str:
    if not table:
        raise ParameterError(
            "resync needs a table", found="remedy_table is empty", remedy="Set it to 'schema.table'."
        )
    return table
