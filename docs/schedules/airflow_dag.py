"""The nightly consistency report, after both exports."""

import pendulum
from airflow.sdk import dag
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.filesystem import FileSensor


@dag(schedule="30 3 * * *", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False)
def nightly_consistency():
    exports = [
        FileSensor(task_id=f"{side}_is_exported", filepath=f"/srv/migration/exports/{side}/_SUCCESS", poke_interval=60)
        for side in ("old", "new")
    ]
    # exit codes 1 (something differs) and 2 (nothing is proved) both fail the task
    report = BashOperator(
        task_id="report",
        cwd="/srv/migration",
        bash_command="countersign run subscriptions.toml --quiet --format markdown",
    )
    exports >> report


nightly_consistency()
