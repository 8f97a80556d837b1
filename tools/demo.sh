#!/usr/bin/env bash
# In: the program. Out: ten users' scripts in demo/, made live, and a table beside the same load on
# one slot and on three, run for real at the same speed.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/.."
folder=${DEMO_FOLDER:-demo}
speed=${DEMO_SPEED:-30}
key=${ANTHROPIC_API_KEY:-}
unset ANTHROPIC_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_API_KEY_FILE DATABASE_URL SCRIPTORIUM_DATABASE_URL SCRIPTORIUM_CONFIG

mkdir -p "$folder"
rm -f "$folder"/*.db "$folder"/*.db[-.]* "$folder"/*.json
rm -rf "$folder/scripts" "$folder/scripts-1-slot" "$folder/scripts-3-slots"

# $1: name of the run, $2: where its scripts go; the rest: options.
load() {
    local name=$1 out=$2
    shift 2
    "$program" run --jobs 10 --users 10 --minutes 10 --speed "$speed" --json \
        --database "sqlite:$folder/$name.db" --out "$folder/$out" "$@" >"$folder/$name.json"
}

echo "Ten users ask for a 10-minute script each, at the same moment. The provider is simulated, at"
echo "speed $speed: one second here is $speed seconds in life."
echo
load jobs scripts
echo
echo "The same ten on three slots, as three workers with one script each would do it:"
echo
load 3-slots scripts-3-slots --concurrency 3
echo
echo "And on one slot:"
echo
load 1-slot scripts-1-slot --concurrency 1
echo
python3 tools/demo_report.py "$speed" "$folder/jobs.json" "$folder/3-slots.json" "$folder/1-slot.json"
rm -rf "$folder/scripts-1-slot" "$folder/scripts-3-slots"

script=$(ls "$folder"/scripts/*.md | head -1)
cat <<END

Look next:
  a script         less $script
  its job          build/scriptorium jobs list --database sqlite:$folder/jobs.db
  what it cost     build/scriptorium stats --database sqlite:$folder/jobs.db
  one of your own  build/scriptorium run --topic 'Why bridges hum' --minutes 5 --speed 10
  how it works     docs/architecture.md
END

# With a key the real provider is an offer, never a surprise.
if [ -n "$key" ]; then
    cost=$(python3 -c 'import json, sys
print("%.2f" % json.load(open(sys.argv[1]))["totals"]["cost_usd"])' "$folder/jobs.json")
    echo
    echo "ANTHROPIC_API_KEY is set: the same ten by the real provider would cost about \$$cost."
    if [ -t 0 ] && [ -t 1 ]; then
        read -r -p "Spend it? [y/N] " answer
        if [[ $answer == [yY]* ]]; then
            ANTHROPIC_API_KEY=$key "$program" run --jobs 10 --users 10 --minutes 10 \
                --database "sqlite:$folder/real.db" --out "$folder/scripts-real"
        fi
    else
        echo "There is no terminal to ask at, so nothing was spent."
    fi
fi
