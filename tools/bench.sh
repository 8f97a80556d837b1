#!/usr/bin/env bash
# In: nothing. Out: the benchmarks of bench/, built with optimisation and run one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build-bench/build.ninja ] ||
    meson setup build-bench --buildtype=release -Dbench=true >/dev/null
ninja -C build-bench --quiet
echo "Machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(uname -r)"
for bench in build-bench/bench/bench_*; do
    [ -f "$bench" ] && [ -x "$bench" ] || continue
    echo
    echo "== $(basename "$bench")"
    case $bench in
    */bench_http) BENCH_HTTP=$bench SCRIPTORIUM=build-bench/scriptorium SCRIPTORIUM_MAX_STREAMS=2048 \
        node bench/http_bench.mjs 1000 ;;
    # On a server of its own, that waits for the disk as PostgreSQL does by default.
    */bench_pg) PG_FSYNC=on PG_SHARED_BUFFERS=128MB tests/conformance/with_pg.sh "$bench" ;;
    *) "$bench" ;;
    esac
done

echo
echo "== guide_bench"
node bench/guide_bench.mjs build-bench/scriptorium
