#!/usr/bin/env bash
# A real Redis for the tests, from Debian's packages, only unpacked: one server, or a cluster of three, on 127.0.0.1 only.
#
#   redis.sh start DIR PORT [OPTION...]   fetches it once and starts one server, with more options of redis-server
#   redis.sh cluster DIR PORT@BUS... [OPTION...]   starts three, with cluster-enabled, and joins them; BUS is the port for the
#                                         others; with --tls-cluster a PORT speaks TLS only
#   redis.sh again DIR                    starts what was started in DIR and has ended
#   redis.sh cli ARG...                   runs redis-cli
#   redis.sh stop DIR                     ends what was started in DIR, and deletes it
#   redis.sh fetch                        fetches it where need be
#
# The pid of each server is in DIR/PORT/pid. TIDEMARK_TOOLS keeps the packages (default $HOME/.cache/tidemark).
set -euo pipefail
: "${TIDEMARK_TOOLS:=$HOME/.cache/tidemark}"
home=$TIDEMARK_TOOLS/redis
export LD_LIBRARY_PATH=$home/usr/lib/x86_64-linux-gnu:$home/usr/lib/aarch64-linux-gnu

say() { echo "redis.sh: $*" >&2; }
die() { say "$*"; exit 1; }

fetch() {
  mkdir -p "$TIDEMARK_TOOLS"
  exec 9>"$home.lock"
  flock 9 # two test runs may start at once
  if [ ! -d "$home" ]; then
    command -v apt-get >/dev/null || die 'Redis comes from Debian packages, and apt-get is missing'
    say "fetching Redis from Debian's packages"
    local work
    work=$(mktemp -d "$TIDEMARK_TOOLS/fetch.XXXXXX")
    (
      cd "$work"
      names=(redis-server redis-tools libjemalloc2 liblua5.1-0 liblzf1 lua-bitop lua-cjson)
      apt-get download -q "${names[@]}" >&2 || { apt-get update -q >&2 && apt-get download -q "${names[@]}" >&2; }
      for package in *.deb; do dpkg-deb -x "$package" root; done
    ) || { rm -rf "$work"; die 'the packages could not be fetched'; }
    mv "$work/root" "$home"
    rm -rf "$work"
  fi
  exec 9>&-
}

launch() { # launch DIR PORT OPTION...
  local dir=$1/$2 port=$2
  mkdir -p "$dir"
  for option in "${@:3}"; do echo "$option"; done >"$dir/options"
  setsid "$home/usr/bin/redis-server" --port "$port" --bind 127.0.0.1 --dir "$dir" --save '' --appendonly no --daemonize no \
    "${@:3}" >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
}

tls=() # options of redis-cli

answers() { # answers PORT ARG...
  local port=$1
  shift
  for _ in $(seq 300); do
    if "$home/usr/bin/redis-cli" "${tls[@]}" -p "$port" "$@" 2>/dev/null | grep -qE 'PONG|NOAUTH|cluster_state:ok|127.0.0.1'; then return; fi
    sleep 0.02
  done
  die "the server at port $port does not answer"
}

lives() { grep -qsaF redis-server "/proc/$1/cmdline"; } # one that has ended and that nobody has waited for does not

end() { # end DIR: the servers that were started there, and no others
  local file pid
  for file in "$1"/*/pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    if lives "$pid"; then kill -KILL "$pid" || true; fi
    while lives "$pid"; do sleep 0.02; done
  done
}

folder=${2:-}
case ${1:-} in start | cluster | again) trap '[ $? = 0 ] || end "$folder"' EXIT ;; esac
case ${1:-} in
  start)
    fetch
    launch "${@:2}"
    answers "$3" ping
    ;;
  cluster)
    fetch
    pairs=()
    options=()
    for argument in "${@:3}"; do
      case $argument in [0-9]*@*) pairs+=("$argument") ;; *) options+=("$argument") ;; esac
    done
    case " ${options[*]} " in *tls-cluster*) tls=(--tls --insecure) ;; esac
    for pair in "${pairs[@]}"; do
      own=(--cluster-enabled yes --cluster-port "${pair#*@}" --cluster-node-timeout 2000 "${options[@]}")
      if [ ${#tls[@]} -gt 0 ]; then own+=(--port 0 --tls-port "${pair%@*}"); fi
      launch "$2" "${pair%@*}" "${own[@]}"
    done
    for pair in "${pairs[@]}"; do answers "${pair%@*}" ping; done
    "$home/usr/bin/redis-cli" "${tls[@]}" --cluster create "${pairs[@]/#/127.0.0.1:}" --cluster-yes >"$2/create.log"
    for pair in "${pairs[@]}"; do answers "${pair%@*}" cluster info; done
    ;;
  again)
    for file in "$2"/*/options; do
      dir=$(dirname "$file")
      if lives "$(cat "$dir/pid")"; then continue; fi
      mapfile -t options <"$file"
      launch "$2" "$(basename "$dir")" "${options[@]}"
    done
    ;;
  cli)
    fetch
    exec "$home/usr/bin/redis-cli" "${@:2}"
    ;;
  stop)
    end "$2"
    rm -rf "$2"
    ;;
  fetch) fetch ;;
  *) die 'start, cluster, again, cli, stop or fetch?' ;;
esac
