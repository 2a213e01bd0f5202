"""A fleet as an Airflow DAG: one mapped task for each target and notebook, by Airflow's papermill operator.

For Airflow's folder of DAGs; `pip install pgnb apache-airflow-providers-papermill` where its workers run.
PGNB_FLEET names fleet.yaml. See docs/fleet.md.
"""

import os
from datetime import datetime
from pathlib import Path

from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk import dag, task

from pgnb.cluster import connect
from pgnb.fleet import fleetfile
from pgnb.fleet.targets import papermill_runs, resolve


@dag(schedule="0 17 * * *", start_date=datetime(2026, 1, 1), catchup=False, tags=["pgnb"])
def pgnb_fleet():
    @task
    def runs(ts_nodash=None):
        fleet = fleetfile.read(Path(os.environ["PGNB_FLEET"]))
        cluster = connect("", "", fleet.namespace, dry_run=True)
        return papermill_runs(resolve(fleet, cluster, in_pods=False), ts_nodash)

    PapermillOperator.partial(task_id="notebook", max_active_tis_per_dag=10).expand_kwargs(runs())


example = pgnb_fleet()
