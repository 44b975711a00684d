"""``python -m tests.mutants``: break the package in one place at a time; the tests must see each defect.

Exit code 1 if a mutant survives, 2 if the tests fail without one, 3 if a mutant does not fit the source any more.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".rollq", "__pycache__", ".*_cache", ".hypothesis", "dist")
TEST_SECONDS = 60  # a test that takes longer has seen the mutant, too
RUN_SECONDS = 600.0
_seconds = itertools.count(int(time.time()))


@dataclass(frozen=True)
class Run:
    """One run of some tests: pytest's exit code, the first test that failed, and the seconds that it took."""

    code: int
    failed: str
    seconds: float
    output: str


def main() -> int:
    """Run every mutant, print a table, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="mutants whose name holds this text")
    chosen = [mutant for mutant in MUTANTS if parser.parse_args().only in mutant.name]
    if misfits := [mutant for mutant in chosen if mutant.occurrences(ROOT) != 1]:
        for mutant in misfits:
            print(f"{mutant.file} has changed: {mutant.old!r} does not stand there just once ({mutant.name})")
        return 3
    with tempfile.TemporaryDirectory(prefix="rollq-mutants-") as folder:
        copy = Path(folder) / "rollq"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
        if not _all_pass_unbroken(copy, chosen):
            return 2
        survivors = [mutant for mutant in chosen if not _is_caught(copy, mutant)]
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} mutants were caught")
    return 1 if survivors else 0


def _all_pass_unbroken(copy: Path, chosen: Sequence[Mutant]) -> bool:
    """The control: without a mutant no test fails."""
    for tests in dict.fromkeys(tuple(mutant.tests) for mutant in chosen):
        found = _run(copy, tests)
        _show("none (control)", tests[0], found.failed or "nothing fails", found.seconds)
        if found.code != 0:
            print(found.output)
            return False
    return True


def _is_caught(copy: Path, mutant: Mutant) -> bool:
    with _broken(copy, mutant):
        found = _run(copy, mutant.tests)
    caught = found.code == 1 and bool(found.failed)
    seen = found.failed if caught else "SURVIVED" if found.code == 0 else f"pytest ended with {found.code}"
    _show(mutant.name, mutant.file, seen, found.seconds)
    if not caught and found.code != 0:
        print(found.output)
    return caught


@contextmanager
def _broken(copy: Path, mutant: Mutant) -> Iterator[None]:
    path = copy / mutant.file
    text = path.read_text(encoding="utf-8")
    _write(path, mutant.breaks(text))
    try:
        yield
    finally:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """With a second of change of its own: Python takes bytecode of the same second for that of this text."""
    path.write_text(text, encoding="utf-8")
    second = next(_seconds)
    os.utime(path, (second, second))


def _run(copy: Path, tests: Sequence[str]) -> Run:
    options = ["-x", "-q", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    begun = time.monotonic()
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS)
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([\w-]+\.py::[\w\[\]:-]+)", done.stdout, re.MULTILINE)
    return Run(done.returncode, failed[1] if failed else "", time.monotonic() - begun, done.stdout + done.stderr)


def _show(name: str, file: str, seen: str, seconds: float) -> None:
    print(f"{name:58} {file:40} {seen:92} {seconds:5.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
