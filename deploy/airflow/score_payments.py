"""Scores the payments of each day with `tidemark batch`, and has its manifest as XCom.

Change: the project with the topology, the folder of the data, and the paths in it. Airflow 3.
"""

import json
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

SCORE = """
set -eu
cd '{{ params.project }}'
day='{{ data_interval_start | ds }}'
output="{{ params.data }}/scores/dt=$day"
npx tidemark batch topology.ts --input "{{ params.data }}/payments/dt=$day/*" --output "$output" \\
  --format parquet --fail-above 1% --resume >&2
tr -d '\\n' < "$output/_manifest.json"
"""

with DAG(
    "score_payments",
    # `@daily` alone would have no interval: its start would be the time of the run.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Each day has an output of its own, so days may run side by side, after a backfill too.
    max_active_runs=2,
    params={"project": "/opt/my-topology", "data": "/data"},
) as dag:
    BashOperator(
        task_id="score",
        bash_command=SCORE,
        # With `--resume` a retry continues. A lock that a killed process has left is free after 60 s.
        retries=3,
        retry_delay=timedelta(minutes=2),
        execution_timeout=timedelta(hours=6),
        output_processor=json.loads,
    )
