#!/usr/bin/env bash
# Asks `tidemark serve` for scores with the clients of others, and compares them with those of `tidemark batch --model`, bit by bit.
#
#   bash test/clients/check.sh
#
# CHECK_VENV: a folder for its Python packages (500 MB), kept for the next time (default: a temporary one).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
venv=${CHECK_VENV:-$work/venv}
[ -x "$venv/bin/python" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$here/requirements.txt"; }

model=$checkout/topologies/models/card-gbdt
rows='import json, sys; golden = json.load(open(sys.argv[1]))
for row in golden["inputs"]: print(json.dumps(dict(zip(golden["features"], row))))'
"$venv/bin/python" -c "$rows" "$model.golden.json" >"$work/rows.ndjson"
node "$checkout/src/cli/bin.js" batch --model "$model.model.ts" --input "$work/rows.ndjson" --output "$work/scored" 2>"$work/log" || { cat "$work/log"; exit 1; }
scores='import json, sys; print(json.dumps([json.loads(line)["probability"] for line in sys.stdin]))'
cat "$work"/scored/rows/*.ndjson | "$venv/bin/python" -c "$scores" >"$work/scores.json"

node "$checkout/src/cli/bin.js" serve "$model.model.ts" --predict-port 0 2>"$work/log" &
server=$!
for _ in $(seq 100); do grep -q '^http://' "$work/log" && break; sleep 0.1; done
"$venv/bin/python" "$here/check.py" "$(grep '^http://' "$work/log")" "$model.golden.json" "$work/scores.json"
