#!/usr/bin/env bash
# In: the program. Out: docs/commands.md, and the table in docs/configuration.md, made from it.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/.."
"$program" man commands >docs/commands.md
table=$(mktemp)
"$program" man settings >"$table"
awk -v table="$table" '
    /^<!-- settings: made by/ { print; while ((getline line <table) > 0) print line; skip = 1; next }
    /^<!-- end of settings -->/ { skip = 0 }
    !skip' docs/configuration.md >"$table.md"
mv "$table.md" docs/configuration.md
rm -f "$table"
