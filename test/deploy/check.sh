#!/usr/bin/env bash
# Checks deploy/kubernetes against the schema of Kubernetes, runs the nightly command, and parses and runs deploy/airflow. Takes some minutes at first,
# because Airflow is large.
#
#   bash test/deploy/check.sh
#
# CHECK_VENV: a folder for its Python packages, kept for the next time (default: a temporary one).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${CHECK_VENV:-$work/venv}
[ -x "$venv/bin/airflow" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$here/requirements.txt"; }

for manifest in "$checkout"/deploy/kubernetes/*.yaml; do "$venv/bin/kubernetes-validate" --strict "$manifest"; done

export AIRFLOW_HOME=$work/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__UNIT_TEST_MODE=False
export AIRFLOW__CORE__DAGS_FOLDER=$checkout/deploy/airflow
"$venv/bin/airflow" db migrate >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
# In place of what npm would install in the project.
mkdir "$work/bin"
printf '#!/bin/sh\nshift\nexec node "%s/src/cli/bin.js" "$@"\n' "$checkout" >"$work/bin/npx"
chmod +x "$work/bin/npx"
(
  export PATH=$work/bin:$PATH
  "$venv/bin/python" "$here/run_dag.py" "$checkout" "$work"
) >"$work/log" 2>&1 || { tail -n 60 "$work/log"; exit 1; }
grep -E '^(first|again): ' "$work/log"

# The nightly command, with the folders of this machine in place of those of the container.
day=$(date -u -d '12 hours ago' +%F)
mv "$work/data/payments/dt=2026-01-04" "$work/data/payments/dt=$day"
nightly='import sys, yaml; pod = yaml.safe_load(sys.stdin)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
print(pod["containers"][0]["args"][0])'
"$venv/bin/python" -c "$nightly" <"$checkout/deploy/kubernetes/nightly.yaml" |
  sed "s#/data/#$work/data/#g; s#node_modules/tidemark/#$checkout/#" >"$work/nightly.sh"
(cd "$work/project" && sh -e "$work/nightly.sh") >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
[ -f "$work/data/scores/dt=$day/_SUCCESS" ] && tail -n 2 "$work/log"
