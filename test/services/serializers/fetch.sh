#!/usr/bin/env bash
# The serializers of other languages, for the tests.
#
#   fetch.sh java     fetches Apicurio's serializers with Maven, and prints the folder that holds the jars
#   fetch.sh python   fetches confluent-kafka with pip, and prints the interpreter that finds it
#
# TIDEMARK_TOOLS keeps them (default $HOME/.cache/tidemark).
set -euo pipefail
: "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
# Older ones of Apicurio write no message indexes before a Protobuf value.
apicurio=3.1.7 kotlin=2.2.20 confluent=2.16.1 protoc=1.85.1

say() { echo "fetch.sh: $*" >&2; }
die() { say "$*"; exit 1; }

need() { # need PACKAGE COMMAND...: the command succeeds, if need be after the package is installed
  local package=$1; shift
  if "$@" >/dev/null 2>&1; then return; fi
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$package is missing"
  say "installing $package"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"; } >/dev/null ||
    die "$package is missing and could not be installed"
}

fetch_java() { # fetch_java FOLDER
  need maven mvn --version
  say "fetching Apicurio's serializers $apicurio with Maven"
  local artifact
  {
    echo '<project><modelVersion>4.0.0</modelVersion><groupId>tidemark.test</groupId><artifactId>serializers</artifactId>'
    echo '<version>1</version><packaging>pom</packaging><dependencies>'
    for artifact in io.apicurio:apicurio-registry-{avro,protobuf,jsonschema}-serde-kafka:$apicurio \
      org.jetbrains.kotlin:kotlin-stdlib:$kotlin org.slf4j:slf4j-nop:2.0.17; do
      IFS=: read -r group name version <<<"$artifact"
      echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$1/pom.xml"
  mvn -q -B -f "$1/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$1/libs" >&2 ||
    die "Maven could not fetch Apicurio's serializers $apicurio"
}

fetch_python() { # fetch_python FOLDER
  say "fetching confluent-kafka $confluent with pip"
  { python3 -m venv "$1/venv" &&
    "$1/venv/bin/python" -m pip install --quiet "confluent-kafka[avro,json,protobuf]==$confluent" "grpcio-tools==$protoc"; } >&2 ||
    die "pip could not fetch confluent-kafka $confluent"
}

fetch() { # fetch LANGUAGE FOLDER: into a folder of another name first, so that it is whole or missing
  mkdir -p "$TIDEMARK_TOOLS"
  exec 9>"$2.lock"
  flock 9 # two test runs may start at once
  if [ ! -d "$2" ]; then
    work=$(mktemp -d "$TIDEMARK_TOOLS/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "fetch_$1" "$work"
    mv "$work" "$2"
  fi
}

case ${1:-} in
  java)
    need openjdk-17-jdk-headless java --version
    fetch java "$TIDEMARK_TOOLS/apicurio-serializers-$apicurio"
    echo "$TIDEMARK_TOOLS/apicurio-serializers-$apicurio/libs"
    ;;
  python)
    need python3-venv python3 -c 'import ensurepip, venv'
    fetch python "$TIDEMARK_TOOLS/confluent-kafka-$confluent"
    echo "$TIDEMARK_TOOLS/confluent-kafka-$confluent/venv/bin/python"
    ;;
  *) sed -n '2,/^set -euo/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
