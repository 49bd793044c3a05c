#!/usr/bin/env bash
# A real schema registry for the tests: Apicurio Registry with Confluent's API, from Maven's jars, on 127.0.0.1 only.
#
#   registry.sh start DIR PORT   fetches it once and starts it; what is registered lies in DIR; does not wait until it is ready
#   registry.sh kill DIR         ends it at once ...
#   registry.sh restart DIR      ... and starts it again with what was registered, at the same port
#   registry.sh stop DIR         ends it and deletes DIR
#   registry.sh jars             fetches it where need be
#
# TIDEMARK_TOOLS keeps it (default $HOME/.cache/tidemark). REGISTRY_VERSION: 3.0.9 runs on Java 17.
set -euo pipefail
: "${REGISTRY_VERSION:=3.0.9}" "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
home=$TIDEMARK_TOOLS/registry-$REGISTRY_VERSION

say() { echo "registry.sh: $*" >&2; }
die() { say "$*"; exit 1; }

need() { # need COMMAND PACKAGE
  if command -v "$1" >/dev/null; then return; fi
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing (install $2)"
  say "installing $2"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2"; } >/dev/null ||
    die "$1 is missing and $2 could not be installed"
}

fetch() {
  need java openjdk-17-jdk-headless
  mkdir -p "$TIDEMARK_TOOLS"
  exec 9>"$home.lock"
  flock 9 # two test runs may start at once
  if [ ! -d "$home" ]; then
    need mvn maven
    say "fetching Apicurio Registry $REGISTRY_VERSION with Maven"
    local work
    work=$(mktemp -d "$TIDEMARK_TOOLS/fetch.XXXXXX")
    # Later versions of the plugin want the registry's parent POM, which not every mirror has.
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:copy -Dmdep.useBaseVersion=true -DoutputDirectory="$work" \
      -Dartifact="io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all" >&2 ||
      { rm -rf "$work"; die "Maven could not fetch Apicurio Registry $REGISTRY_VERSION"; }
    mkdir "$work/home"
    tar -xzf "$work"/*.tar.gz -C "$work/home"
    mv "$work/home" "$home"
    rm -rf "$work"
  fi
  exec 9>&-
}

launch() { # launch DIR
  local dir=$1 port
  port=$(cat "$dir/port")
  setsid java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" \
    -Dquarkus.http.access-log.enabled=false -Dapicurio.datasource.url="jdbc:h2:file:$dir/schemas;WRITE_DELAY=0" \
    -jar "$home"/*-runner.jar >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
}

end() { # end DIR: the process that was started for this folder, and no other
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  if [ -r "/proc/$pid/cmdline" ] && tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF "jdbc:h2:file:$1/"; then
    kill -KILL "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  fi
  rm -f "$1/pid"
}

case ${1:-} in
  start)
    fetch
    mkdir -p "$2"
    echo "$3" >"$2/port"
    launch "$2"
    ;;
  kill) end "$2" ;;
  restart)
    end "$2"
    launch "$2"
    ;;
  stop)
    end "$2"
    rm -rf "$2"
    ;;
  jars) fetch && echo "$home" ;;
  *) sed -n '2,/^set -euo/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
