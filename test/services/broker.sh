#!/usr/bin/env bash
# One real Kafka broker for the tests, from Maven's jars, on 127.0.0.1 only.
#
#   broker.sh start DIR PLAIN_PORT CONTROLLER_PORT SECURE_PORT
#       fetches the jars once, writes everything else into DIR and starts the broker; does not wait until it is ready.
#       PLAIN_PORT: no security. SECURE_PORT: SASL_SSL, SCRAM-SHA-512, user and password "tidemark", CA in DIR/ca.pem
#   broker.sh halt DIR
#       stops it in order; what it holds stays in DIR
#   broker.sh resume DIR
#       starts it again on what it held, at the same ports; does not wait until it is ready
#   broker.sh stop DIR
#       stops it and deletes DIR
#
# TIDEMARK_CACHE keeps the jars (default $HOME/.cache/tidemark). KAFKA_VERSION: 3.9.0 and later run on Java 17.
set -euo pipefail
: "${KAFKA_VERSION:=4.1.0}" "${TIDEMARK_CACHE:=$HOME/.cache/tidemark}"
libs=$TIDEMARK_CACHE/kafka-$KAFKA_VERSION
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
  mkdir -p "$TIDEMARK_CACHE"
  exec 9>"$libs.lock"
  flock 9 # two test runs may start at once
  if [ ! -d "$libs" ]; then
    need mvn maven
    say "fetching Kafka $KAFKA_VERSION with Maven"
    local work
    work=$(mktemp -d "$TIDEMARK_CACHE/fetch.XXXXXX")
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
    mvn -q -B -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
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

properties() { # properties DIR PLAIN_PORT CONTROLLER_PORT SECURE_PORT
  cat <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3,SECURE://127.0.0.1:$4
advertised.listeners=PLAINTEXT://127.0.0.1:$2,SECURE://127.0.0.1:$4
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=$1/server.pem
log.dirs=$1/data
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=16777216
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
P
}

start() { # start DIR PLAIN_PORT CONTROLLER_PORT SECURE_PORT
  local dir=$1
  fetch
  mkdir -p "$dir"
  certificates "$dir"
  properties "$@" >"$dir/broker.properties"
  java "${jvm[@]}" kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AA' | tr -d =)" \
    -c "$dir/broker.properties" --add-scram 'SCRAM-SHA-512=[name=tidemark,password=tidemark]' >"$dir/format.log" 2>&1 ||
    { tail -n 3 "$dir/format.log" >&2; die "formatting the broker's log failed"; }
  launch "$dir"
}

launch() { # launch DIR
  local dir=$1 archive
  # A class archive halves the start. The first broker writes it when it stops, the later ones read it.
  if [ -e "$classes" ]; then archive=-XX:SharedArchiveFile=$classes; else archive=-XX:ArchiveClassesAtExit=$dir/classes.jsa; fi
  setsid java "$archive" "${jvm[@]}" kafka.Kafka "$dir/broker.properties" >>"$dir/broker.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
}

runs() { # the pid is ours only while its command line names our properties
  [ -r "/proc/$1/cmdline" ] && tr '\0' '\n' <"/proc/$1/cmdline" | grep -xF "$2/broker.properties" >/dev/null
}

end() { # end DIR SIGNAL; kills it when that takes more than 15 s
  local dir=$1 pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 0
  if runs "$pid" "$dir"; then kill "-$2" "$pid"; fi
  for _ in $(seq 150); do runs "$pid" "$dir" || return 0; sleep 0.1; done
  kill -KILL "$pid"
  while runs "$pid" "$dir"; do sleep 0.1; done
}

stop() { # stop DIR
  local dir=$1
  # Nothing in DIR is worth an orderly end, but for a class archive that nobody has written yet.
  if [ -e "$classes" ]; then end "$dir" KILL; else end "$dir" TERM; fi
  if [ -e "$dir/classes.jsa" ]; then mv -f "$dir/classes.jsa" "$classes"; fi
  rm -rf "$dir"
}

case ${1:-} in
start) [ $# = 5 ] || die "start wants DIR and three ports"; shift; start "$@" ;;
halt) [ $# = 2 ] || die "halt wants DIR"; end "$2" TERM ;;
resume) [ $# = 2 ] || die "resume wants DIR"; launch "$2" ;;
stop) [ $# = 2 ] || die "stop wants DIR"; stop "$2" ;;
*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
