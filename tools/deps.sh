#!/usr/bin/env bash
# In: check|install and the groups wanted (build, check). Out: the Debian packages of those groups,
# installed; or one line that says how. Prints nothing when nothing is missing.
set -euo pipefail

build="build-essential pkg-config meson ninja-build libuv1-dev libcurl4-openssl-dev
       libmicrohttpd-dev libsqlite3-dev libpq-dev libjansson-dev libyaml-dev libssl-dev libcjose-dev
       libglib2.0-dev
       uthash-dev python3"
check="libcmocka-dev clang libclang-rt-dev clang-format clang-tidy cppcheck sqlite3 postgresql pgbouncer ccache
       git util-linux procps libfaketime openssl"

action=$1
shift
wanted=""
for group in "$@"; do
    wanted="$wanted ${!group}"
    # A Node.js from elsewhere will do: 18 is what the tests need.
    if [ "$group" = check ]; then
        major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/' || true)
        [ "${major:-0}" -ge 18 ] || wanted="$wanted nodejs"
        command -v npm >/dev/null || wanted="$wanted npm"
        # Any version of the server from 13 on.
        compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || wanted="$wanted postgresql"
        # pg_cron for the server that the tests start: the newest that is there, or Debian's own.
        server=$(ls /usr/lib/postgresql 2>/dev/null | sort -n | tail -n 1)
        [ -n "$server" ] || server=$(. /etc/os-release && [ "${VERSION_ID:-12}" -ge 13 ] && echo 17 || echo 15)
        wanted="$wanted postgresql-$server-cron"
    fi
done

if ! command -v dpkg-query >/dev/null; then
    if [ "$action" = install ]; then
        echo "This is not Debian: install the equivalents of:$(echo $wanted | sed 's/^/ /')" >&2
    fi
    exit 0
fi

missing=""
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$action" = check ]; then
    echo "Some packages are missing:$missing" >&2
    echo "Run 'make deps' to install them, then try again." >&2
    exit 1
fi

root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Some packages are missing; as root run: apt-get install$missing" >&2
        exit 1
    fi
    root="sudo"
fi
echo "Installing:$missing"
log=$(mktemp)
if ! { $root apt-get -qq update &&
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        $missing; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "The packages could not be installed; the lines above say why." >&2
    exit 1
fi
rm -f "$log"
