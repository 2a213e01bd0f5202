"""The drill of section 12: set-up, growth, three errors with remedies, and a cut-over while clients write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from pgnb.core.errors import DeadlineExceeded
from pgnb.core.wait import wait_until
from pgnb.diagnosis.logical import Finding
from pgnb.observe.write_log import DurabilityCheck, WriteLog
from pgnb.observe.writer import Writer, start_client
from pgnb.postgres import Server, find_server
from pgnb_rehearsal.drills.guarantee import ClientReport, Guarantee
from pgnb_rehearsal.drills.stage import PASSWORD, PRIMARY, Stage, last_word, sample_client
from pgnb_rehearsal.drills.troubles import SUBSCRIBER, SUBSCRIBER_PASSWORD, pair_of

_NEW_DATABASE = "new_database"
_BY_SEQUENCE = (
    "CREATE TABLE heartbeat (id bigserial PRIMARY KEY, written_at timestamptz NOT NULL"
    " DEFAULT clock_timestamp())"
)
_APP_PASSWORD = "secret:postgres-primary/app-password"  # noqa: S105  where it is kept, not what it is
_FOLLOWS = 60.0


def practise_logical(stage: Stage) -> bool:
    """Practise section 12 from the first check to reverse replication; return False at the first failure."""
    if not _set_up(stage):
        return False
    with _client_by_sequence(stage) as writer:
        return _mend(stage) and _cut_over(stage) and _conclude(stage, writer)


def _set_up(stage: Stage) -> bool:
    permissions = {"allow_restart": True, "allow_replica_identity": True}
    passed = stage.run("12", **permissions) and stage.run("12_07")
    return passed and stage.run("12_08", database=_NEW_DATABASE, database_ddl=_BY_SEQUENCE)


@contextmanager
def _client_by_sequence(stage: Stage) -> Iterator[Writer]:
    """Start a client whose keys come from a sequence.

    If the sequence were not advanced at the cut-over, the client would meet its own rows.
    """
    with stage.cluster(acting=True) as cluster:
        publisher = find_server(cluster, PRIMARY, password=PASSWORD)
        writer = start_client(publisher, _NEW_DATABASE, _APP_PASSWORD, user="app", host="postgres-primary")
        publisher.close()
        try:
            yield writer
        finally:
            writer.stop()


def _mend(stage: Stage) -> bool:
    """Cause three errors, each in its own database, and apply the remedies; clients write in two of them."""
    with pair_of(stage) as pair:
        found = _tell("a row was written on the subscriber", pair.conflict(_NEW_DATABASE))
        here = {"remedy_database": _NEW_DATABASE, "remedy_table": "public.heartbeat"}
        passed = stage.run("12_09", remedy="skip", confirm_remedy=found.lsn or "", **here)
        # The skipped change is lost; a new copy restores it.
        passed = passed and stage.run("12_09", remedy="resync", confirm_remedy="public.heartbeat", **here)
        if not passed:
            return False
        _tell("a table was made on the publisher first", pair.table_made_first("crm", "news"))
        if not stage.run("12_07", database="crm", table="public.news", table_ddl=""):
            return False
        _tell("the slot was dropped", pair.lost_slot("shop"))
        return stage.run("12_09", remedy="recreate", remedy_database="shop", confirm_remedy="sub_shop")


def _tell(what: str, finding: Finding) -> Finding:
    click.echo(f"{what}: 12.9 finds in {finding.database}: {finding.title}: {finding.subject}")
    return finding


def _cut_over(stage: Stage) -> bool:
    click.echo("planned cut-over, with reverse replication")
    return stage.run("12_10", allow_cutover=True, allow_restart=True, reverse_service="postgres-subscriber")


def _conclude(stage: Stage, writer: Writer) -> bool:
    """Report both clients, on the server that they write to now and on the one that follows it."""
    with stage.cluster() as cluster:
        primary = find_server(cluster, SUBSCRIBER, password=SUBSCRIBER_PASSWORD)
        follower = find_server(cluster, PRIMARY, password=PASSWORD)
        clients = (sample_client(cluster), writer)
        words = [_word(stage, client, primary, follower) for client in clients]
        primary.close()
        follower.close()
        return stage.tell(Guarantee.of(words, cluster.journal))


def _word(stage: Stage, client: Writer, primary: Server, follower: Server) -> ClientReport:
    write_log = last_word(client)
    found = (client.check_durability(primary, write_log), _arrived(client, follower, write_log))
    return ClientReport(write_log, found, stage.ran)


def _arrived(client: Writer, follower: Server, write_log: WriteLog) -> DurabilityCheck:
    """Return the check of the rows on the follower, once they have arrived or the time is over."""
    try:
        return wait_until(
            f"the rows on {follower.name}",
            lambda: client.check_durability(follower, write_log),
            lambda found: not found.missing,
            timeout=_FOLLOWS,
            every=0.2,
            describe=lambda found: f"{len(found.missing)} missing",
        )
    except DeadlineExceeded:
        return client.check_durability(follower, write_log)
