#!/usr/bin/env bash
# Prometheus and its checker promtool, for the tests: prints the folder where they are, after fetching them from Debian where they are not installed.
#   prometheus.sh
# TIDEMARK_TOOLS keeps them (default $HOME/.cache/tidemark). Only unpacked: installing the package would start a server.
set -euo pipefail
: "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
die() { echo "prometheus.sh: $*" >&2; exit 1; }

if command -v prometheus >/dev/null && tool=$(command -v promtool); then dirname "$tool"; exit; fi
tools=$TIDEMARK_TOOLS/prometheus
if [ ! -d "$tools" ]; then
  command -v apt-get >/dev/null || die 'prometheus is missing'
  mkdir -p "$TIDEMARK_TOOLS"
  work=$(mktemp -d "$TIDEMARK_TOOLS/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  download() { apt-get download prometheus >&2; }
  # A fresh machine has no list of packages.
  download || { [ "$(id -u)" = 0 ] && apt-get update >&2 && download; } || die 'prometheus could not be downloaded'
  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin
  # By one rename: two test runs may do so at once.
  mv -T usr/bin "$tools" 2>/dev/null || [ -d "$tools" ]
fi
echo "$tools"
