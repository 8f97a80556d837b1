#!/usr/bin/env bash
# In: the program. Out: docs/commands.md, and the tables in docs/configuration.md, docs/metrics.md and docs/api.md,
# made from it.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/.."
"$program" man commands >docs/commands.md
table=$(mktemp)
for page in settings:configuration metrics:metrics routes:api; do
    name=${page%:*} file=docs/${page#*:}.md
    "$program" man "$name" >"$table"
    awk -v table="$table" -v name="$name" '
        $0 ~ "^<!-- " name ": made by" { print; while ((getline line <table) > 0) print line; skip = 1; next }
        $0 ~ "^<!-- end of " name " -->" { skip = 0 }
        !skip' "$file" >"$table.md"
    mv "$table.md" "$file"
done
rm -f "$table"
