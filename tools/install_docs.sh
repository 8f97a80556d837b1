#!/usr/bin/env bash
# In: the program and two output paths. Out: its manual page, and its completion for bash.
set -euo pipefail
"$1" man >"$2"
"$1" completion bash >"$3"
