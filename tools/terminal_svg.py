#!/usr/bin/env python3
"""In: a terminal's text with colours, from a file. Out: the same as an SVG picture.

usage: terminal_svg.py FILE >picture.svg
"""
import html
import re
import sys
import unicodedata

CELL_W, CELL_H, PAD = 7.8, 17, 14
COLOURS = {"0": "#d6deeb", "1": "#ffffff", "2": "#7f8c9d", "31": "#ff6b6b", "32": "#7ee787",
           "33": "#e3b341"}


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def line_spans(line):
    """(column, colour code, text) of each piece."""
    at, code = 0, "0"
    for piece in re.split(r"(\x1b\[\d+m)", line):
        match = re.fullmatch(r"\x1b\[(\d+)m", piece)
        if match:
            code = match.group(1)
        elif piece:
            yield at, code, piece
            at += columns(piece)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = f.read().rstrip("\n").split("\n")
    plain = [re.sub(r"\x1b\[\d+m", "", l) for l in lines]
    width = max(columns(l.rstrip()) for l in plain) * CELL_W + 2 * PAD
    height = len(lines) * CELL_H + 2 * PAD
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
          f'viewBox="0 0 {width:.0f} {height:.0f}">')
    print(f'<rect width="100%" height="100%" rx="8" fill="#0d1722"/>')
    print('<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13" '
          'xml:space="preserve">')
    for row, line in enumerate(lines):
        y = PAD + (row + 0.75) * CELL_H
        for at, code, text in line_spans(line):
            if text.strip():
                lead = len(text) - len(text.lstrip())
                body = text.strip()
                x = PAD + (at + lead) * CELL_W
                print(f'<text x="{x:.1f}" y="{y:.1f}" fill="{COLOURS.get(code, COLOURS["0"])}" '
                      f'textLength="{columns(body) * CELL_W:.1f}">{html.escape(body)}</text>')
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
