#!/usr/bin/env bash
# Docker for the tests, and what its images need where none can be pulled.
#
#   image.sh start DIR PID       starts a daemon in DIR where none answers, until that process is gone; prints its DOCKER_HOST
#   image.sh base                prints an image with Node: that of deploy/Dockerfile, or else one it makes
#   image.sh services BASE       on a base of its own, makes images of Kafka, a schema registry, Redis and Prometheus, and prints for each how
#                                docker-compose.kafka.yml is told: KAFKA_IMAGE=…
#   image.sh build BASE ARG...   runs `docker build` on that base, with the network and npm's configuration of this machine
#   image.sh compose ARG...      runs Compose
#   image.sh stop DIR            ends what was started in DIR, and deletes it
#
# The engine is Debian's docker.io, installed if missing (as root). The images have Debian's packages, Node from npm, and what broker.sh,
# registry.sh, redis.sh and prometheus.sh fetch.
set -euo pipefail
own_base=tidemark-test/node
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { echo "image.sh: $*" >&2; }
die() { say "$*"; exit 1; }
answers() { docker version >/dev/null 2>&1; }
setting() { npm config get "$1" 2>/dev/null; }

install_engine() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die 'no Docker daemon answers, and dockerd is missing (install docker.io)'
  say 'installing docker.io'
  local install=(apt-get install -qq -y --no-install-recommends)
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && "${install[@]}" docker.io docker-compose; } >/dev/null 2>&1 || die 'docker.io could not be installed'
  # Debian 12 has these in docker.io.
  "${install[@]}" docker-cli docker-buildx >/dev/null 2>&1 || true
}

start() { # start DIR PID
  local daemon
  if ! answers && ! { command -v dockerd && command -v docker-compose; } >/dev/null; then install_engine; fi
  if ! answers; then
    export DOCKER_HOST=unix://$1/socket
    mkdir -p "$1"
    # In memory: to write and delete all the files of packages takes minutes on a slow disk.
    mount -t tmpfs tidemark-test "$1" || die 'to mount a folder in memory needs root'
    setsid dockerd --host "$DOCKER_HOST" --pidfile "$1/pid" --data-root "$1/data" --exec-root "$1/exec" --bridge none \
      >"$1/log" 2>&1 </dev/null &
    daemon=$!
    setsid "$0" guard "$1" "$2" >/dev/null 2>&1 </dev/null &
    for _ in $(seq 150); do
      if answers; then break; fi
      kill -0 "$daemon" 2>/dev/null || die "dockerd does not start: $(tail -n 1 "$1/log")"
      sleep 0.2
    done
    answers || die 'dockerd does not answer'
  fi
  echo "${DOCKER_HOST:-}"
}

stop() { # stop DIR
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || true
  if [ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -xF "$1/pid" >/dev/null; then
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  fi
  if mountpoint -q "$1"; then umount -l "$1"; fi
  rm -rf "$1"
}

build() { # build BASE ARG...
  local docker=docker
  # Another client on the PATH may lack BuildKit, which Debian 12 has in its own.
  docker buildx version >/dev/null 2>&1 || docker=/usr/bin/docker
  { cat "$(setting globalconfig)" "$(setting userconfig)" 2>/dev/null || true; echo "registry=$(setting registry)"; } >"$work/npmrc"
  DOCKER_BUILDKIT=1 "$docker" build --network host --build-arg "BASE=$1" --secret "id=npmrc,src=$work/npmrc" "${@:2}" >&2
}

base() {
  local named root=$work/root name package ca
  named=$(sed -n 's/^ARG BASE=//p' "$here/../../deploy/Dockerfile")
  if docker pull -q "$named" 2>/dev/null; then return; fi
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64,local/bin,local/lib/node_modules} "$root"/{etc,root} "$work/debs"
  mkdir -m 1777 "$root/tmp"
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
  (
    cd "$work/debs"
    names=(bash busybox-static libc6 libgcc-s1 libstdc++6 libtinfo6 zlib1g)
    apt-get download -qq "${names[@]}" >&2 || { apt-get update -qq >&2 && apt-get download -qq "${names[@]}" >&2; }
  ) || die "Debian's packages could not be fetched"
  for package in "$work"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --exclude './usr/share/*'
  done
  for name in $("$root/bin/busybox" --list); do [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"; done
  echo 'root:x:0:0::/root:/bin/bash' >"$root/etc/passwd"
  npm install --silent --prefix "$work/npm" --no-save node@22 npm@10 >&2 || die 'Node could not be fetched'
  cp "$work/npm/node_modules/node/bin/node" "$root/usr/local/bin/"
  cp -r "$work/npm/node_modules/npm" "$root/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ca=$(setting cafile)
  if [ -r "$ca" ]; then install -D -m 644 "$ca" "$root$ca"; fi
  tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/bin:/usr/sbin' - "$own_base" >/dev/null
  echo "$own_base"
}

services() { # services BASE
  if [ "$1" != "$own_base" ]; then return; fi
  local opt=$work/opt redis=${TIDEMARK_TOOLS:-$HOME/.cache/tidemark}/redis jars java name
  mkdir -p "$opt"/{java,kafka/bin,redis}
  cp -r "$("$here/prometheus.sh")" "$opt/prometheus"
  jars=$("$here/broker.sh" jars)
  cp -r "$jars" "$opt/kafka/libs"
  # A broker does without what lists and makes topics.
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:copy -Dartifact="org.apache.kafka:kafka-tools:${jars##*-}" \
    -DoutputDirectory="$opt/kafka/libs" >&2 || die 'Maven could not fetch kafka-tools'
  cp -r "$("$here/registry.sh" jars)" "$opt/registry"
  "$here/redis.sh" fetch
  for name in redis-server redis-cli; do
    cp "$redis/usr/bin/$name" "$opt/redis/"
    LD_LIBRARY_PATH=$(echo "$redis"/usr/lib/*-linux-gnu) ldd "$redis/usr/bin/$name" | awk '$3 ~ /^[/]/ && !/lib[cm][.]so/ { print $3 }' |
      xargs cp -Lt "$opt/redis"
  done
  java=$(readlink -f "$(command -v java)")
  # Its configuration lies elsewhere, and the link to its sources may lead nowhere.
  tar -C "${java%/bin/java}" --exclude src.zip -ch bin conf lib | tar -x -C "$opt/java"
  cat >"$opt/kafka/bin/kafka-class.sh" <<'F'
#!/bin/bash
exec java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' "$@"
F
  cat >"$opt/kafka/bin/kafka-topics.sh" <<'F'
#!/bin/bash
exec kafka-class.sh org.apache.kafka.tools.TopicCommand "$@"
F
  cat >"$opt/kafka/bin/start.sh" <<'F'
#!/bin/bash
# KAFKA_NODE_ID=1 is node.id=1.
env | sed -n 's/^KAFKA_//p' | while IFS='=' read -r name value; do
  name=${name,,}
  echo "${name//_/.}=$value"
done >/tmp/server.properties
kafka-class.sh kafka.tools.StorageTool format -t dGlkZW1hcmstdGVzdC0wMQ -c /tmp/server.properties
exec kafka-class.sh kafka.Kafka /tmp/server.properties
F
  chmod 755 "$opt"/kafka/bin/*
  cat >"$work/Dockerfile" <<'F'
ARG BASE
FROM ${BASE} AS all
COPY opt /opt
ENV PATH=/usr/local/bin:/usr/bin:/usr/sbin:/opt/java/bin:/opt/kafka/bin:/opt/redis
FROM all AS kafka
CMD ["start.sh"]
FROM all AS registry
CMD ["sh", "-c", "exec java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -jar /opt/registry/*-runner.jar"]
FROM all AS redis
ENV LD_LIBRARY_PATH=/opt/redis
CMD ["redis-server", "--protected-mode", "no", "--save", ""]
FROM all AS prometheus
CMD ["/opt/prometheus/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus"]
F
  for name in kafka registry redis prometheus; do
    build "$1" -q --target "$name" -t "tidemark-test/$name" "$work"
    echo "${name^^}_IMAGE=tidemark-test/$name"
  done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${1:-}:$# in
  start:3) start "$2" "$3" ;;
  guard:3)
    while [ -d "$2" ] && kill -0 "$3" 2>/dev/null; do sleep 1; done
    stop "$2"
    ;;
  base:1) base ;;
  services:2) services "$2" ;;
  build:*) build "${@:2}" ;;
  compose:*) if docker compose version >/dev/null 2>&1; then docker compose "${@:2}"; else docker-compose "${@:2}"; fi ;;
  stop:2) stop "$2" ;;
  *) sed -n '2,/^set -euo/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
