#!/usr/bin/env bash
# In: nothing. Out: every figure of docs/bench.md for this machine, one program after the other, with ok or MISSED beside
# each that has an aim. Built with optimisation. Exit 1 when a program fails; a figure that misses its aim is told, no more.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build-bench/build.ninja ] ||
    meson setup build-bench --buildtype=release -Dbench=true >/dev/null
ninja -C build-bench --quiet
[ -d tests/blackbox/node_modules/pg ] || npm ci --prefix tests/blackbox --no-audit --no-fund --silent
export SCRIPTORIUM=$PWD/build-bench/scriptorium BENCH_HTTP=$PWD/build-bench/bench/bench_http SCRIPTORIUM_MAX_STREAMS=2048
failed=0

say() { # a name, and how it is run
    echo
    echo "== $1"
    shift
    "$@" || failed=1
}

# On a server of its own, that waits for the disk as PostgreSQL does by default.
with_pg() { PG_FSYNC=on PG_SHARED_BUFFERS=128MB tests/conformance/with_pg.sh "$@"; }

echo "Machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(uname -r)"
say "streams" build-bench/bench/bench_streams
say "the embedded store" build-bench/bench/bench_store
say "PostgreSQL" with_pg build-bench/bench/bench_pg
say "PostgreSQL, from a client's COMMIT to the daemon's claim" node bench/pg_pickup.mjs
say "PostgreSQL, the SQL alone: history, backlog, a pinned xmin, looks" node bench/pg_sql_bench.mjs
say "PostgreSQL, what 2,000 running jobs ask of it" node bench/pg_load.mjs
say "a look at a job, SQLite" node bench/http_bench.mjs 1000
say "a look at a job, PostgreSQL" with_pg sh -c 'exec node bench/http_bench.mjs 1000 2000 10 "$PG_URL/postgres"'
say "predicted starts, SQLite" node bench/estimates.mjs --speed 2
say "predicted starts, PostgreSQL" with_pg sh -c 'exec node bench/estimates.mjs --speed 2 --database "$PG_URL/postgres"'
say "ten people at once" node bench/guide_bench.mjs "$SCRIPTORIUM"
exit $failed
