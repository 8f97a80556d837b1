#!/usr/bin/env python3
"""In: a C symbol, two output paths and files. Out: C source that holds the files' bytes.

usage: embed.py [--root DIR] SYMBOL OUT.c OUT.h FILE...

Makes `const struct embedded_file SYMBOL[]` (base/embed.h) in the order given, and
`const size_t SYMBOL_count`. A file's name is its path below DIR, or its last part without --root.
A NUL byte follows the data and is not counted in its length.
"""
import os
import sys

BYTES_PER_LINE = 20


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_bytes(data):
    lines = []
    for at in range(0, len(data), BYTES_PER_LINE):
        lines.append("    " + "".join(f"{b}," for b in data[at : at + BYTES_PER_LINE]))
    return "\n".join(lines)


def write_source(out, symbol, header, root, files):
    out.write("/* Made by tools/embed.py. */\n")
    out.write(f"#include {c_string(os.path.basename(header))}\n\n")
    entries = []
    for i, path in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        name = os.path.relpath(path, root) if root else os.path.basename(path)
        out.write(f"static const unsigned char data_{i}[] = {{\n{c_bytes(data + bytes(1))}\n}};\n")
        entries.append(f"    {{{c_string(name)}, data_{i}, sizeof data_{i} - 1}},\n")
    out.write(f"\nconst struct embedded_file {symbol}[] = {{\n{''.join(entries)}}};\n")
    out.write(f"const size_t {symbol}_count = sizeof {symbol} / sizeof {symbol}[0];\n")


def write_header(out, symbol):
    guard = f"EMBEDDED_{symbol.upper()}_H"
    out.write(f"/* Made by tools/embed.py. */\n#ifndef {guard}\n#define {guard}\n\n")
    out.write('#include "base/embed.h"\n\n')
    out.write(f"extern const struct embedded_file {symbol}[];\n")
    out.write(f"extern const size_t {symbol}_count;\n\n#endif\n")


def main(args):
    root = None
    if len(args) > 1 and args[0] == "--root":
        root, args = args[1], args[2:]
    if len(args) < 4:
        sys.exit(__doc__)
    symbol, source, header, files = args[0], args[1], args[2], args[3:]
    with open(source, "w", encoding="utf-8") as out:
        write_source(out, symbol, header, root, files)
    with open(header, "w", encoding="utf-8") as out:
        write_header(out, symbol)


if __name__ == "__main__":
    main(sys.argv[1:])
