#!/usr/bin/env python3
"""In: the source tree, or the names of some stages. Out: each stage's result, the full output of
what failed, and last of all one line: N passed, N failed."""
import glob
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHECK = os.path.join(ROOT, "build-check")  # gcc, address and undefined-behaviour sanitizers
FUZZ = os.path.join(ROOT, "build-fuzz")  # clang, libFuzzer
JOBS = str(os.cpu_count() or 2)
WAITING = int(JOBS) + 1  # tests in C at once: they mostly wait


def use_memory():
    """Tests' databases need not outlive the machine: in memory, where that has room, one is made in a
    fifth of the time."""
    memory = "/dev/shm"
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK | os.X_OK):
        return
    place = os.statvfs(memory)
    if place.f_bavail * place.f_frsize >= 4 << 30 and not place.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = memory


class Tally:
    """What a stage counted; `problems` is printed when something failed, `skipped` always."""

    def __init__(self):
        self.passed, self.failed, self.problems, self.skipped = 0, 0, [], []

    def ok(self, n=1):
        self.passed += n

    def bad(self, text, n=1):
        self.failed += n
        self.problems.append(text.rstrip())


def run(args, env=None, timeout=None):
    """Returns (exit code, output); standard output and error together."""
    full = dict(os.environ, **(env or {}))
    try:
        done = subprocess.run(args, cwd=ROOT, env=full, stdin=subprocess.DEVNULL, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as e:
        return 124, (e.stdout or b"").decode(errors="replace") + f"\ngave up after {timeout} s"
    return done.returncode, done.stdout.decode(errors="replace")


def count_tap(text):
    """(passed, failed) of the points of a TAP stream that stand at the left margin."""
    return (len(re.findall(r"^ok \d+", text, re.M)), len(re.findall(r"^not ok \d+", text, re.M)))


def must(tally, what, args, env=None):
    """A step that later stages stand on: its failure counts, its success does not."""
    code, out = run(args, env)
    if code != 0:
        tally.bad(f"{what} failed: {' '.join(args)}\n{out}")
    return code == 0


def setup(tally, folder, options, env):
    if os.path.exists(os.path.join(folder, "build.ninja")):
        return True
    return must(tally, "configuring", ["meson", "setup", folder, "-Dwerror=true", *options], env)


# ---- stages ----

def stage_build(tally):
    options = ["-Db_sanitize=address,undefined", "-Dbuildtype=debugoptimized",
               "-Dc_args=-fno-sanitize-recover=all"]
    if setup(tally, CHECK, options, {"CC": "ccache gcc"}) and must(tally, "building",
                                                            ["ninja", "-C", CHECK, "--quiet"]):
        tally.ok()


def meson_suite(tally, suite):
    log = os.path.join(CHECK, "meson-logs", f"testlog-{suite}.json")
    if os.path.exists(log):
        os.unlink(log)
    run(["meson", "test", "-C", CHECK, "--no-rebuild", "--suite", suite, "--num-processes",
         str(WAITING), "--logbase", f"testlog-{suite}", "--timeout-multiplier", "6", "--print-errorlogs"],
        {"CMOCKA_MESSAGE_OUTPUT": "TAP"})
    if not os.path.exists(log):
        tally.bad(f"no test of suite '{suite}' was run")
        return
    with open(log, encoding="utf-8") as f:
        for line in f:
            test = json.loads(line)
            out = test.get("stdout", "") + test.get("stderr", "")
            passed, failed = count_tap(test.get("stdout", ""))
            if test["result"] == "OK" and failed == 0:
                tally.ok(max(passed, 1))
            else:
                tally.ok(passed)
                tally.bad(f"{test['name']}: {test['result']}\n{out}", max(failed, 1))


def stage_unit(tally):
    meson_suite(tally, "unit")


def stage_replay(tally):
    meson_suite(tally, "fuzz")


def fuzz(name, seconds):
    found = os.path.join(FUZZ, "found", name)
    os.makedirs(found, exist_ok=True)
    code, out = run([os.path.join(FUZZ, "tests/fuzz", name), f"-max_total_time={seconds}",
                     "-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", "-verbosity=0",
                     f"-artifact_prefix={found}/crash-", found,
                     os.path.join(ROOT, "tests/fuzz/corpus", name[len("fuzz_"):])],
                    timeout=float(seconds) * 3 + 60)
    return f"{name} (exit {code}); the input is kept in {found}\n{out[-6000:]}" if code != 0 else None


def stage_fuzz(tally):
    seconds = os.environ.get("FUZZ_SECONDS", "2")
    options = ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"]
    if not setup(tally, FUZZ, options, {"CC": "ccache clang"}) or \
            not must(tally, "building", ["ninja", "-C", FUZZ, "--quiet", "fuzzers"]):
        return
    names = sorted(os.path.basename(f)[:-2] for f in
                   glob.glob(os.path.join(ROOT, "tests/fuzz/fuzz_*.c")))
    with ThreadPoolExecutor(int(JOBS)) as pool:
        for problem in pool.map(lambda name: fuzz(name, seconds), names):
            tally.ok() if problem is None else tally.bad(problem)


def stage_layers(tally):
    code, out = run(["tools/check_layers.py"])
    tap(tally, "tools/check_layers.py", code, out)


def stage_docs(tally):
    code, out = run(["tools/check_docs.py", os.path.join(CHECK, "scriptorium")])
    tap(tally, "tools/check_docs.py", code, out)


def tap(tally, what, code, out):
    passed, failed = count_tap(out)
    tally.ok(passed)
    if failed > 0 or code != 0 or passed == 0:
        tally.bad(f"{what} (exit {code})\n{out}", max(failed, 1))


NODE_ENV = {"SCRIPTORIUM": os.path.join(CHECK, "scriptorium"), "NO_COLOR": "1"}


def node_tests(tally, *folders, at_once=int(JOBS), timeout=600):
    """All tests in JavaScript use the packages of tests/blackbox; they are installed once."""
    packages = os.path.join(ROOT, "tests/blackbox")
    lock = os.path.join(packages, "package-lock.json")
    done = os.path.join(packages, "node_modules/.package-lock.json")
    if not (os.path.exists(done) and os.path.getmtime(done) >= os.path.getmtime(lock)) and \
            not must(tally, "installing the tests' packages",
                     ["npm", "ci", "--prefix", packages, "--no-audit", "--no-fund", "--silent"]):
        return
    files = [f for folder in folders for f in glob.glob(os.path.join(ROOT, folder, "*.test.mjs"))]
    # Each file by itself, the largest first; what it runs needs the machine.
    files.sort(key=os.path.getsize, reverse=True)
    with ThreadPoolExecutor(at_once) as pool:
        for file, (code, out) in zip(files, pool.map(
                lambda f: run(["node", "--test", "--test-reporter=tap", f], NODE_ENV, timeout), files)):
            counts = {k: int(n) for k, n in
                      re.findall(r"^# (pass|fail|cancelled|skipped) (\d+)$", out, re.M)}
            failed = counts.get("fail", 0) + counts.get("cancelled", 0)
            tally.ok(counts.get("pass", 0))
            tally.skipped += re.findall(r"^ok \d+ - (.* # SKIP.*)$", out, re.M)
            if code != 0 or failed > 0 or counts.get("pass", 0) + counts.get("skipped", 0) == 0:
                tally.bad(f"{os.path.relpath(file, ROOT)}\n" + failures_of(out), max(failed, 1))


def stage_blackbox(tally):
    node_tests(tally, "tests/blackbox", "tests/pg")


def stage_chaos(tally):
    """The short form; `make chaos` is the long one. What is measured there wants the machine to itself."""
    node_tests(tally, "tests/fault", at_once=1)


def failures_of(out):
    """The failing points of Node's TAP, each with its block; all of it when there is none."""
    kept, keeping = [], False
    for line in out.splitlines():
        if re.match(r"\s*(not ok|ok|# Subtest)", line):
            keeping = "not ok" in line
        if keeping:
            kept.append(line)
    return "\n".join(kept) or out


def stage_lint(tally):
    sources = run(["git", "ls-files", "*.c", "*.h"])[1].split()
    code, out = run(["clang-format", "--dry-run", "-Werror", *sources])
    tally.ok() if code == 0 else tally.bad("clang-format: run 'make format'\n" + out[:6000])
    code, out = run(["cppcheck", "--quiet", "--enable=warning,performance,portability",
                     "--inline-suppr", "--library=tools/cppcheck.cfg", "--suppress=missingIncludeSystem", "--error-exitcode=1",
                     "--std=c11", "-D_GNU_SOURCE", "-Isrc", "-j", JOBS, "src", "bench"])
    tally.ok() if code == 0 else tally.bad("cppcheck\n" + out)
    units = [s for s in sources if s.endswith(".c") and s.startswith("src/")]
    code, out = tidy(units)
    tally.ok() if code == 0 else tally.bad("clang-tidy\n" + out)


def tidy(units):
    # The analyzer follows a function through 50,000 states instead of 225,000: a third of the time.
    nodes = [f"--extra-arg={arg}" for arg in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000")]
    done = subprocess.run(["xargs", "-P", JOBS, "-n", "4", "clang-tidy", "-p", CHECK, "--quiet", *nodes,
                           "--extra-arg=-Wno-unknown-warning-option", "--warnings-as-errors=*"], cwd=ROOT, input="\n".join(units),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lines = [l for l in done.stdout.splitlines() if not re.fullmatch(r"\d+ warnings? generated\.", l)]
    return done.returncode, "\n".join(lines)


STAGES = {
    "build": stage_build, "layers": stage_layers, "unit": stage_unit,
    "replay": stage_replay, "fuzz": stage_fuzz,
    "docs": stage_docs, "blackbox": stage_blackbox, "chaos": stage_chaos,
    "lint": stage_lint,
}
NEED_BUILD = {"unit", "replay", "docs", "blackbox", "chaos", "lint"}


def main():
    names = sys.argv[1:] or list(STAGES)
    for name in names:
        if name not in STAGES:
            sys.exit(f"no stage '{name}'; the stages are: {', '.join(STAGES)}")
    if NEED_BUILD & set(names) and "build" not in names:
        names.insert(0, "build")
    use_memory()
    passed = failed = 0
    broken = False
    for name in names:
        tally, start = Tally(), time.monotonic()
        if broken and name in NEED_BUILD:
            tally.bad("not run: the build failed")
        else:
            STAGES[name](tally)
        broken = broken or (name == "build" and tally.failed > 0)
        passed += tally.passed
        failed += tally.failed
        print(f"{name:12} {tally.passed:5} passed {tally.failed:4} failed "
              f"{time.monotonic() - start:7.1f} s", flush=True)
        for test in tally.skipped:
            print(f"             not run here: {test}", flush=True)
        for problem in tally.problems:
            print("\n" + problem + "\n", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
