#!/usr/bin/env python3
"""In: the speed, and what `run --json` said of the same load three times. Out: a table for people."""
import json
import sys


def clock(seconds):
    seconds = int(seconds + 0.5)
    return f"{seconds // 60}:{seconds % 60:02d}"


def main():
    speed = float(sys.argv[1])
    runs = [json.load(open(path, encoding="utf-8")) for path in sys.argv[2:5]]
    ours, three, one = runs
    # Each load was asked for in the same order of users.
    rows = [[next(j for j in run["jobs"] if j["user_id"] == job["user_id"]) for run in runs]
            for job in ours["jobs"]]
    print(f"In life's minutes (measured seconds times {speed:g}):\n")
    head = (f"{'user':>4}  {'script':34} {'waiting':>8} {'working':>8} {'words':>6} {'tokens':>7} "
            f"{'cost':>8}   {'waiting on 3 slots':>18} {'on 1 slot':>10}")
    print(head)
    print("-" * len(head))
    for n, (job, other, single) in enumerate(rows, 1):
        tokens = job["input_tokens"] + job["output_tokens"]
        print(f"{n:>4}  {job['topic'][:34]:34} {clock(job['waited_s'] * speed):>8} "
              f"{clock(job['worked_s'] * speed):>8} {job['words']:>6,} {tokens:>7,} "
              f"{'$%.4f' % job['cost_usd']:>8}   {clock(other['waited_s'] * speed):>18} "
              f"{clock(single['waited_s'] * speed):>10}")
    print("-" * len(head))
    totals = ours["totals"]
    tokens = totals["input_tokens"] + totals["output_tokens"]
    print(f"{'':4}  {'the last script is there after':34} {'':8} {clock(ours['elapsed_s'] * speed):>8} "
          f"{totals['words']:>6,} {tokens:>7,} {'$%.4f' % totals['cost_usd']:>8}   "
          f"{clock(three['elapsed_s'] * speed):>18} {clock(one['elapsed_s'] * speed):>10}")
    longest = max(job["waited_s"] for job in ours["jobs"])
    print(f"\nThe tenth user waited {longest:.2f} s of this machine's time; on one slot "
          f"{max(j['waited_s'] for j in one['jobs']):.1f} s.")


if __name__ == "__main__":
    main()
