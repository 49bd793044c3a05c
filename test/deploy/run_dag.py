"""Runs the DAG of deploy/airflow on sample data: python run_dag.py CHECKOUT FOLDER, with a database at AIRFLOW_HOME."""

import json
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

checkout, folder = Path(sys.argv[1]), Path(sys.argv[2])

bag = DagBag(checkout / "deploy/airflow")
assert not bag.import_errors, bag.import_errors
dag = bag.dags["score_payments"]
task = dag.get_task("score")
assert task.retries > 0 and "--resume" in task.bash_command, "a retry continues"
# Here a failure is told at once.
task.retries = 0

# A project with the topology, and the payments of one day. Its run begins when the day has ended.
day = "dt=2026-01-04"
ended = datetime(2026, 1, 5, tzinfo=timezone.utc)
project, data = folder / "project", folder / "data"
project.mkdir()
(project / "topology.ts").write_text(f"export {{ default }} from '{checkout}/topologies/card-fraud.ts'\n")
(data / "payments" / day).mkdir(parents=True)
os.symlink(checkout / "topologies/samples/payments.tsv", data / "payments" / day / "payments.ndjson")

run = {"project": str(project), "data": str(data)}
for times in ("first", "again"):
    result = dag.test(logical_date=ended + timedelta(seconds=times == "again"), run_conf=run)
    assert result.state == "success", (times, result.state)
    pulled = result.get_task_instance("score").xcom_pull(task_ids="score")
    written = json.loads((data / "scores" / day / "_manifest.json").read_text())
    assert pulled == written, "the manifest is the XCom"
    print(f"{times}: {result.state}, XCom has", pulled["outcomes"])
