#!/usr/bin/env bash
# In: a program and its arguments. Out: its exit code, run with PG_URL naming a PostgreSQL server of its
# own (and PG_CTL, PG_DATA to stop and start it), which is gone afterwards. Never as root.
set -euo pipefail

bin=${PG_BIN:-}
if [ -z "$bin" ]; then
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
    [ -n "$bin" ] || bin=$(dirname "$(command -v initdb || echo /nowhere/initdb)")
fi
[ -x "$bin/initdb" ] || { echo "PostgreSQL's server is missing: apt-get install postgresql" >&2; exit 77; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/scriptorium-pg-XXXXXX")
as=""
if [ "$(id -u)" -eq 0 ]; then
    chown postgres "$dir"
    as="runuser -u postgres --"
fi
ctl() { (cd "$dir" && $as "$bin/pg_ctl" -D "$dir/data" -s "$@"); }
stop() {
    ctl stop -m immediate >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap stop EXIT

(cd "$dir" && $as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C -N >/dev/null)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
$as tee -a "$dir/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
fsync = ${PG_FSYNC:-off}
max_connections = 60
shared_buffers = ${PG_SHARED_BUFFERS:-32MB}
timezone = 'Asia/Kolkata'
CONF
$as tee "$dir/data/pg_hba.conf" >/dev/null <<HBA
host all with_password 127.0.0.1/32 scram-sha-256
hostnossl all with_tls 127.0.0.1/32 reject
local all all trust
host all all 127.0.0.1/32 trust
HBA
ctl -l "$dir/log" -w start || { cat "$dir/log" >&2; exit 1; }

export PG_URL="postgres://postgres@127.0.0.1:$port"
export PG_CTL="$as $bin/pg_ctl -D $dir/data -l $dir/log -s -w" PG_DATA="$dir/data"
"$@"
