#!/usr/bin/env python3
"""In: the program, and docs/. Out: TAP: the documents say what the program's own tables say."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
POINTS = []


def point(name, problems):
    problems = list(problems)
    POINTS.append(not problems)
    print(f"{'not ok' if problems else 'ok'} {len(POINTS)} - {name}")
    for problem in problems:
        print("  " + problem)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def program(binary, *args):
    return subprocess.run([binary, *args], capture_output=True, text=True, check=True).stdout


def markdown_files():
    out = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True,
                         check=True).stdout
    return [f for f in out.split() if os.path.exists(os.path.join(ROOT, f))]


def broken_links():
    for path in markdown_files():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", read(path)):
            if not re.match(r"[a-z]+:", target) and not os.path.exists(
                    os.path.join(ROOT, os.path.dirname(path), target)):
                yield f"{path}: {target} does not exist"


def missing_sources():
    """A path of the tree that a document names in backquotes exists."""
    for path in markdown_files():
        if path.startswith("pipelines/"):
            continue
        for name in re.findall(r"`((?:src|tests|tools|pipelines|docs|bench|data)/[\w./-]+)`",
                               read(path)):
            if not os.path.exists(os.path.join(ROOT, name.rstrip("/"))):
                yield f"{path}: {name} does not exist"


def unknown_options(binary):
    """An option or command that a document shows exists."""
    overview = program(binary, "help")
    commands = set(re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", overview, re.M))
    groups = {name.split()[0] for name in commands if " " in name}
    options = set(re.findall(r"--([a-z-]+)", program(binary, "man").replace("\\-", "-")))
    for path in markdown_files():
        for line in re.findall(r"scriptorium ([a-z]+(?: [^`\n]*)?)", read(path)):
            words = line.split()
            name = " ".join(words[:2]) if words[0] in groups else words[0]
            called = re.search(r"(?:^|[ /`])(?:build/)?scriptorium " + re.escape(line[:40]),
                               read(path))
            if called and name in commands:
                for option in re.findall(r"--([a-z-]+)", line):
                    if option not in options:
                        yield f"{path}: scriptorium {name} has no --{option}"


def main():
    binary = os.path.abspath(sys.argv[1])
    commands = program(binary, "man", "commands")
    settings = program(binary, "man", "settings")
    point("docs/commands.md is what `make docs` writes",
          [] if read("docs/commands.md") == commands else ["run 'make docs' and look at the change"])
    point("docs/configuration.md holds the table of settings",
          [] if settings in read("docs/configuration.md") else
          ["replace its table by the output of: scriptorium man settings"])
    point("docs/metrics.md holds the table of metrics",
          [] if program(binary, "man", "metrics") in read("docs/metrics.md") else
          ["run 'make docs' and look at the change"])
    point("links between documents lead somewhere", broken_links())
    point("files that documents name exist", missing_sources())
    point("options that documents show exist", unknown_options(binary))
    print(f"1..{len(POINTS)}")
    sys.exit(0 if all(POINTS) else 1)


if __name__ == "__main__":
    main()
