#!/usr/bin/env bash
# Prometheus' own checker, for the tests: prints where it is, after fetching it from Debian where it is not installed.
#   promtool.sh
# TIDEMARK_TOOLS keeps it (default $HOME/.cache/tidemark). Only unpacked: installing the package would start a server.
set -euo pipefail
: "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
die() { echo "promtool.sh: $*" >&2; exit 1; }

if command -v promtool; then exit; fi
tool=$TIDEMARK_TOOLS/promtool
if [ ! -x "$tool" ]; then
  command -v apt-get >/dev/null || die 'promtool is missing (install prometheus)'
  mkdir -p "$TIDEMARK_TOOLS"
  work=$(mktemp -d "$TIDEMARK_TOOLS/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  download() { apt-get download prometheus >&2; }
  # A fresh machine has no list of packages.
  download || { [ "$(id -u)" = 0 ] && apt-get update >&2 && download; } || die 'prometheus could not be downloaded'
  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
  # By one rename: two test runs may do so at once.
  mv usr/bin/promtool "$tool"
fi
echo "$tool"
