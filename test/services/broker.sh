#!/usr/bin/env bash
# Real Kafka for the tests, one node or three, from Maven's jars, on 127.0.0.1 only.
#
#   broker.sh start DIR PORT...
#       fetches the jars once, writes everything else into DIR and starts the nodes; does not wait until they are ready.
#       Five ports for each node: PLAIN CONTROLLER SECURE PROXIED ADVERTISED.
#         PLAIN     no security
#         SECURE    SASL_SSL, SCRAM-SHA-512, user and password "tidemark", CA in DIR/ca.pem; the user may do all that no ACL is about
#         PROXIED   no security; clients are sent to ADVERTISED, where whoever wants to stand in between listens
#   broker.sh halt DIR NODE      stops a node (1, 2 or 3) in order; what it holds stays in DIR/NODE
#   broker.sh kill DIR NODE      ends it at once
#   broker.sh restart DIR NODE   starts it again on what it held, at the same ports; does not wait until it is ready
#   broker.sh pause DIR NODE     it does nothing any more, not even end its connections ...
#   broker.sh resume DIR NODE    ... until now
#   broker.sh fill DIR NODE      fills its disk to the last byte ...
#   broker.sh free DIR NODE      ... until now; needs TIDEMARK_DISK_MB at the start
#   broker.sh stop DIR           ends all nodes and deletes DIR
#   broker.sh guard DIR PID      does so once that process is gone, however it ended
#   broker.sh jars               fetches the jars where need be, and prints the folder that holds them
#
# TIDEMARK_BROKER_SETTINGS: lines of server.properties beside those below. TIDEMARK_TEST_OLD_TRANSACTIONS=1: the transaction protocol before
# KIP-890, which is the only one of Kafka 3.
# TIDEMARK_TOOLS keeps the jars (default $HOME/.cache/tidemark). KAFKA_VERSION: 3.9.0 and later run on Java 17. TIDEMARK_DISK_MB
# gives each node a disk of its own of that size, in memory (needs root).
set -euo pipefail
: "${KAFKA_VERSION:=4.4.0}" "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
libs=$TIDEMARK_TOOLS/kafka-$KAFKA_VERSION
classes=$libs/classes.jsa
jvm=(-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*")

say() { echo "broker.sh: $*" >&2; }
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
  need openssl openssl
  mkdir -p "$TIDEMARK_TOOLS"
  exec 9>"$libs.lock"
  flock 9 # two test runs may start at once
  if [ ! -d "$libs" ]; then
    need mvn maven
    say "fetching Kafka $KAFKA_VERSION with Maven"
    local work
    work=$(mktemp -d "$TIDEMARK_TOOLS/fetch.XXXXXX")
    cat >"$work/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemark.test</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    # A repository of its own: Maven's would keep each jar a second time.
    mvn -q -B -Dmaven.repo.local="$work/repository" -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DoutputDirectory="$work/libs" >&2 || { rm -rf "$work"; die "Maven could not fetch Kafka $KAFKA_VERSION"; }
    mv "$work/libs" "$libs"
    rm -rf "$work"
  fi
  exec 9>&-
}

certificates() { # a CA of our own, and a server key with its certificate in one PEM file
  (
    cd "$1"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=tidemark test CA" -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
    openssl x509 -req -days 30 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.crt \
      -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1")
    cat server.key server.crt ca.pem >server.pem
    chmod 600 ./*.key server.pem
  ) 2>/dev/null
}

properties() { # properties DIR NODE PORT...
  local dir=$1 node=$2; shift 2
  local ports=("$@") nodes=$(($# / 5)) copies=1 in_sync=1 voters=() i
  for ((i = 0; i < nodes; i++)); do voters+=("$((i + 1))@127.0.0.1:${ports[i * 5 + 1]}"); done
  if [ "$nodes" = 3 ]; then copies=3 in_sync=2; fi
  set -- "${ports[@]:(node - 1) * 5:5}" # PLAIN CONTROLLER SECURE PROXIED ADVERTISED
  cat <<P
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$(IFS=,; echo "${voters[*]}")
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2,SECURE://127.0.0.1:$3,PROXIED://127.0.0.1:$4
advertised.listeners=PLAINTEXT://127.0.0.1:$1,SECURE://127.0.0.1:$3,PROXIED://127.0.0.1:$5
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,PROXIED:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=$dir/server.pem
log.dirs=$dir/$node/data
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=200
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
${TIDEMARK_BROKER_SETTINGS:-}
P
  # A node that dies is missed after seconds.
  if [ "$nodes" = 3 ]; then cat <<P
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
replica.lag.time.max.ms=4000
replica.fetch.wait.max.ms=200
P
  fi
}

start() { # start DIR PORT...
  local dir=$1 node formatting=() cluster
  cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AA' | tr -d =)
  fetch
  mkdir -p "$dir"
  certificates "$dir"
  for ((node = 1; node <= ($# - 1) / 5; node++)); do
    mkdir -p "$dir/$node/data"
    if [ -n "${TIDEMARK_DISK_MB:-}" ]; then
      mount -t tmpfs -o "size=${TIDEMARK_DISK_MB}m" tidemark-test "$dir/$node/data" || die 'a disk of its own needs root'
    fi
    properties "$dir" "$node" "${@:2}" >"$dir/$node/broker.properties"
    format "$dir/$node" "$cluster" & formatting+=($!)
  done
  for node in "${!formatting[@]}"; do wait "${formatting[node]}" || die "formatting a broker's log failed"; done
  for node in "${!formatting[@]}"; do launch "$dir" "$((node + 1))"; done
}

format() { # format NODE_DIR CLUSTER
  local features=()
  if [ -n "${TIDEMARK_TEST_OLD_TRANSACTIONS:-}" ] && [[ $KAFKA_VERSION != 3.* ]]; then features=(--feature transaction.version=1); fi
  java -XX:SharedArchiveFile="$classes" "${jvm[@]}" kafka.tools.StorageTool format -t "$2" -c "$1/broker.properties" "${features[@]}" \
    --add-scram 'SCRAM-SHA-512=[name=tidemark,password=tidemark]' >"$1/format.log" 2>&1 ||
    { tail -n 3 "$1/format.log" >&2; return 1; }
}

# A class archive halves the start. One broker at a time writes it, when it ends; it holds the lock as long as it lives.
archive() { # archive NODE_DIR
  if [ -e "$classes" ]; then echo "-XX:SharedArchiveFile=$classes"
  elif flock -n 8; then touch "$1/archives"; echo "-XX:ArchiveClassesAtExit=$1/classes.jsa"
  else echo -Xshare:auto; fi
}

launch() { # launch DIR NODE
  local of=$1/$2
  exec 8>"$classes.lock"
  setsid java "$(archive "$of")" "${jvm[@]}" kafka.Kafka "$of/broker.properties" >>"$of/broker.log" 2>&1 </dev/null &
  echo $! >"$of/pid"
  exec 8>&-
}

runs() { # the pid is ours only while its command line names our properties
  [ -r "/proc/$1/cmdline" ] && tr '\0' '\n' <"/proc/$1/cmdline" | grep -xF "$2/broker.properties" >/dev/null
}

signal() { # signal NODE_DIR SIGNAL
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) && runs "$pid" "$1" && kill "-$2" "$pid"
}

end() { # end NODE_DIR SIGNAL; kills it when that takes more than 15 s
  local of=$1 pid
  signal "$of" "$2" || return 0
  pid=$(cat "$of/pid")
  for _ in $(seq 150); do runs "$pid" "$of" || return 0; sleep 0.1; done
  signal "$of" KILL || return 0
  while runs "$pid" "$of"; do sleep 0.1; done
}

stop() { # stop DIR
  local dir=$1 of
  for of in "$dir"/[1-3]; do
    # Nothing in DIR is worth an orderly end, but for a class archive that nobody has written yet.
    if [ -e "$of/archives" ] && [ ! -e "$classes" ]; then end "$of" TERM; else end "$of" KILL; fi
    if [ -e "$of/classes.jsa" ]; then mv -f "$of/classes.jsa" "$classes"; fi
  done
  for of in "$dir"/[1-3]/data; do if mountpoint -q "$of"; then umount -l "$of"; fi; done
  rm -rf "$dir"
}

guard() { # guard DIR PID
  while [ -d "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 1; done
  if [ -d "$1" ]; then stop "$1"; fi
}

fill() { # fill NODE_DIR
  mountpoint -q "$1/data" || die "$1 has no disk of its own"
  # Ends when nothing is left, which is what is wanted.
  cat /dev/zero >"$1/data/filler" 2>/dev/null || true
}

must() { "$@" || die "node $node of $dir does not run"; }

command=${1:-} dir=${2:-} node=${3:-}
case $command:$# in
start:7 | start:17) shift; start "$@" ;;
halt:3) end "$dir/$node" TERM ;;
kill:3) end "$dir/$node" KILL ;;
restart:3) launch "$dir" "$node" ;;
pause:3) must signal "$dir/$node" STOP ;;
resume:3) must signal "$dir/$node" CONT ;;
fill:3) fill "$dir/$node" ;;
free:3) rm -f "$dir/$node/data/filler" ;;
stop:2) stop "$dir" ;;
guard:3) guard "$dir" "$node" ;;
jars:1) fetch; echo "$libs" ;;
*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
