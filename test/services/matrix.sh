#!/usr/bin/env bash
# The tests of what stands on Kafka, on each version, on one node and on three, on the plain listener and on the secure one.
# Takes about a minute for each of them.
#
#   test/services/matrix.sh [TEST...]      what vitest is to run; default test/integration/connect
#
# KAFKA_VERSIONS, NODES, LISTENERS choose (default "4.4.0 4.0.0 3.9.0", "1 3", "plain secure"). Ends with 1 when one of them fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ $# -gt 0 ] || set -- test/integration/connect
export TIDEMARK_REQUIRE_KAFKA=1 KAFKA_VERSION TIDEMARK_TEST_NODES TIDEMARK_TEST_SECURE
log=$(mktemp) failed=0
trap 'rm -f "$log"' EXIT

for KAFKA_VERSION in ${KAFKA_VERSIONS:-4.4.0 4.0.0 3.9.0}; do
  for TIDEMARK_TEST_NODES in ${NODES:-1 3}; do
    for listener in ${LISTENERS:-plain secure}; do
      if [ "$listener" = secure ]; then TIDEMARK_TEST_SECURE=1; else TIDEMARK_TEST_SECURE=0; fi
      printf 'Kafka %s, nodes: %s, listener: %s: ' "$KAFKA_VERSION" "$TIDEMARK_TEST_NODES" "$listener"
      if NO_COLOR=1 npx vitest run --config .config/vitest.ts "$@" >"$log" 2>&1; then
        sed -n 's/^ *Tests  *//p' "$log"
      else
        failed=1
        echo failed
        cat "$log"
      fi
    done
  done
done
exit "$failed"
