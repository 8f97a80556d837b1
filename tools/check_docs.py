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


def anchors(path):
    """What GitHub makes of a document's headings."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", read(path), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_anchors():
    for path in markdown_files():
        for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", read(path)):
            page = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if os.path.exists(os.path.join(ROOT, page)) and anchor not in anchors(page):
                yield f"{path}: {target}#{anchor} does not exist"


def pages_nobody_finds():
    """Each page of docs/ stands in its index."""
    index = read("docs/README.md")
    for path in markdown_files():
        name = os.path.basename(path)
        if os.path.dirname(path) == "docs" and name != "README.md" and f"]({name})" not in index:
            yield f"docs/README.md does not list {name}"


def commands_of(binary):
    """Each command with its options, and with the words it takes behind its name."""
    found = {}
    for text in re.split(r"^## ", program(binary, "man", "commands"), flags=re.M)[1:]:
        usage = re.search(r"`scriptorium ([^`]*)`", text).group(1)
        found[text.split("\n")[0]] = (set(re.findall(r"^\| `--([a-z-]+)", text, re.M)), usage)
    return found


# A line that begins with the program, perhaps behind sudo, variables or a folder.
SHOWN = re.compile(r"^ *(?:\$ )?(?:sudo )?(?:env )?(?:[A-Z_]+=\S+ )*(?:build/)?scriptorium ((?:[^\n\\]|\\\n)*)", re.M)
INLINE = re.compile(r"`(?:build/)?scriptorium ([^`]*)`")


def unknown_commands(binary):
    """A command that a document shows exists, and so do the options that it is shown with."""
    commands = commands_of(binary)
    groups = {name.split()[0] for name in commands if " " in name}
    for path in markdown_files():
        blocks = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^ *```", read(path), re.M | re.S) +
                           re.findall(r"^ {4,}.*$", read(path), re.M))
        text = read(path)
        for line in SHOWN.findall(blocks) + INLINE.findall(text):
            line = re.split(r" {3,}|  #| \| | > |; |[)}]$", line.replace("\\\n", " "))[0]
            words = line.split()
            name = " ".join(words[:2]) if words and words[0] in groups else words[0] if words else ""
            if not re.match(r"^[a-z]+$", words[0] if words else ""):
                continue
            if words[0] in groups and (len(words) == 1 or words[1].startswith("-")):
                continue
            if name not in commands:
                yield f"{path}: there is no command: scriptorium {name}"
                continue
            for option in re.findall(r"(?:^| )--([a-z-]+)", line):
                if option not in commands[name][0]:
                    yield f"{path}: scriptorium {name} has no --{option}"


def unknown_variables(binary):
    """A variable of ours that a document names is a setting."""
    known = set(re.findall(r"`([A-Z_]+)`", program(binary, "man", "settings")))
    for path in markdown_files():
        for name in sorted(set(re.findall(r"\bSCRIPTORIUM_[A-Z_]+\b", read(path)))):
            if name not in known and not re.match(r"SCRIPTORIUM_(WEBHOOK_\w+|URL)$", name):
                yield f"{path}: {name} is no setting"


def main():
    binary = os.path.abspath(sys.argv[1])
    commands = program(binary, "man", "commands")
    settings = program(binary, "man", "settings")
    point("docs/commands.md is what `make docs` writes",
          [] if read("docs/commands.md") == commands else ["run 'make docs' and look at the change"])
    point("docs/configuration.md holds the table of settings",
          [] if settings in read("docs/configuration.md") else
          ["replace its table by the output of: scriptorium man settings"])
    point("docs/api.md holds the table of routes",
          [] if program(binary, "man", "routes") in read("docs/api.md") else
          ["run 'make docs' and look at the change"])
    point("docs/metrics.md holds the table of metrics",
          [] if program(binary, "man", "metrics") in read("docs/metrics.md") else
          ["run 'make docs' and look at the change"])
    point("links between documents lead somewhere", broken_links())
    point("files that documents name exist", missing_sources())
    point("headings that documents link to exist", broken_anchors())
    point("every page stands in docs/README.md", pages_nobody_finds())
    point("commands and options that documents show exist", unknown_commands(binary))
    point("variables that documents name exist", unknown_variables(binary))
    print(f"1..{len(POINTS)}")
    sys.exit(0 if all(POINTS) else 1)


if __name__ == "__main__":
    main()
