#!/usr/bin/env bash
# A real MLflow for the tests: fetches it with pip, and prints the folder of its programs.
#
# TIDEMARK_TOOLS keeps it (default $HOME/.cache/tidemark).
set -euo pipefail
: "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
version=3.17.0
home=$TIDEMARK_TOOLS/mlflow-$version

die() { echo "mlflow.sh: $*" >&2; exit 1; }

mkdir -p "$TIDEMARK_TOOLS"
exec 9>"$home.lock"
flock 9 # two test runs may start at once
if [ ! -f "$home/whole" ]; then
  rm -rf "$home"
  echo "mlflow.sh: fetching MLflow $version with pip" >&2
  python3 -m venv "$home" || die 'Python with venv is missing'
  "$home/bin/python" -m pip install --quiet "mlflow==$version" onnx==1.22.0 onnxruntime==1.30.0 >&2 ||
    die "pip could not fetch MLflow $version"
  touch "$home/whole"
fi
echo "$home/bin"
