#!/usr/bin/env python3
"""In: the source tree. Out: TAP: one point per rule of docs/architecture.md that a file's text can
break: the include rule between layers, one home per foreign header, the opening comment."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What a layer may include besides itself. The store and the providers show those above them their
# outside; only app names the concrete ones.
LAYERS = {
    "base": set(),
    "io": {"base"},
    "text": {"base"},
    "job": {"base", "text"},
    "store": {"base", "io", "text", "job"},
    "provider": {"base", "io", "text", "job"},
    "engine": {"base", "io", "text", "job", "store", "provider"},
    "api": {"base", "io", "text", "job", "store", "provider", "engine"},
    "app": {"base", "io", "text", "job", "store", "provider", "engine", "api"},
}
OUTSIDES_ONLY = {"engine", "api"}
OUTSIDES = {"store/store.h", "store/store_deployments.h",
          "store/store_history.h", "store/store_schedules.h", "store/store_webhooks.h", "provider/provider.h", "provider/pacer.h", "provider/share.h"}

# A foreign header and the folder or file that may include it.
HOMES = {
    "uv.h": ["src/io/loop"],
    "curl/curl.h": ["src/io/http_client", "src/io/curl_loop"],
    "microhttpd.h": ["src/io/http_server", "src/io/http_conn", "src/io/http_exchange", "src/io/http_head"],
    "sqlite3.h": ["src/store/sqlite/"],
    "libpq-fe.h": ["src/store/pg/"],
    "jansson.h": ["src/text/json"],
    "yaml.h": ["src/text/yaml"],
    "openssl/": ["src/base/", "src/text/jwt"],
    "cjose/": ["src/text/jwt"],
    "glib.h": ["src/text/cron_zone"],
    "pthread.h": ["src/io/", "src/store/"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
# Everything that is not listed above must be the C library, Linux, or one of these.
SYSTEM = re.compile(r"^(std\w+|a(ssert|rpa/inet)|c(type|locale)|dirent|err(no|or)|fcntl|float|getopt|grp|"
                    r"inttypes|iso646|langinfo|limits|locale|math|memory|net/\w+|netdb|netinet/\w+|poll|pthread|"
                    r"pwd|regex|sched|semaphore|set?jmp|signal|spawn|string|strings|sys/\w+|"
                    r"term(ios)?|time|unistd|utime|wchar|wctype|linux/\w+|uthash|utlist)\.h$")


def sources():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                          "src/*.c", "src/*.h"], cwd=ROOT, capture_output=True, text=True,
                         check=True).stdout.split()
    return sorted(f for f in out if os.path.exists(os.path.join(ROOT, f)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def check_layer(path, text):
    layer = path.split("/")[1]
    if layer not in LAYERS:
        yield f"{path}: '{layer}' is no layer"
        return
    for quote, name in INCLUDE.findall(text):
        if quote == "<" or "/" not in name:
            continue
        target = name.split("/")[0]
        if target == layer:
            continue
        if target not in LAYERS[layer]:
            yield f"{path}: {layer} may not include {name}"
        elif layer in OUTSIDES_ONLY and target in ("store", "provider") and name not in OUTSIDES:
            yield f"{path}: {layer} sees only {', '.join(sorted(OUTSIDES))}, not {name}"


def check_homes(path, text):
    for quote, name in INCLUDE.findall(text):
        if quote == '"':
            continue
        home = next((h for k, h in HOMES.items() if name == k or k.endswith("/")
                     and name.startswith(k)), None)
        if home is not None:
            if not any(path.startswith(h) for h in home):
                yield f"{path}: <{name}> belongs to {' or '.join(home)}"
        elif not SYSTEM.match(name):
            yield f"{path}: <{name}> has no home in tools/check_layers.py"


def check_opening(path, text):
    match = re.match(r"/\*.*?\*/", text, re.S)
    if not match:
        yield f"{path}: opens without a comment that says what comes in and what goes out"
    elif not re.search(r"\bIn\b.*\bOut\b", match.group(0), re.S):
        yield f"{path}: its opening comment does not say 'In: ... Out: ...'"


def check_guard(path, text):
    if path.endswith(".h"):
        guard = path[len("src/"):].replace("/", "_").replace(".", "_").upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            yield f"{path}: the include guard is not {guard}"


def check_own_header(path, text):
    header = path[len("src/"):-1] + "h"
    if path.endswith(".c") and os.path.exists(os.path.join(ROOT, "src", header)):
        first = INCLUDE.search(text)
        if first is None or first.group(2) != header:
            yield f"{path}: does not include {header} first"


RULES = [
    ("a file includes only its own layer and those below", check_layer),
    ("a foreign header has one home", check_homes),
    ("a file opens with what comes in and what goes out", check_opening),
    ("an include guard is named after its file", check_guard),
    ("a file includes its own header first", check_own_header),
]


def main():
    files = [(path, read(path)) for path in sources()]
    failed = False
    for i, (name, rule) in enumerate(RULES, 1):
        found = [problem for path, text in files for problem in rule(path, text)]
        print(f"{'not ok' if found else 'ok'} {i} - {name}")
        for problem in found:
            print("  " + problem)
        failed = failed or bool(found)
    print(f"1..{len(RULES)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
