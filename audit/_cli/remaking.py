"""Builds and audits every system of the lecture: `python -m audit._cli.remaking --help`, or `make reference`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

Run = Callable[[Sequence[str], Path], int]
_VERDICTS = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE"}
_SAYING = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Remade:
    """One system, built again and audited.

    Attributes:
        name: The system.
        digest: Of the shipped weights.
        building: Seconds that the training took.
        auditing: Seconds that the audit of the shipped weights took.
        code: Exit code of the audit, or of the training where that failed.
        figures: How many there are.
        off: Figures of the rebuilt model outside of the shipped interval.
    """

    name: str
    digest: str
    building: float
    auditing: float
    code: int
    figures: int
    off: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether it was built with the same figures, and its audit came to a verdict."""
        return self.code in _VERDICTS and not self.off and self.figures > 0

    @property
    def row(self) -> tuple[str, ...]:
        """A row of the table."""
        inside = f"{self.figures - len(self.off)} of {self.figures}"
        return (
            self.name, f"{self.building:.0f}", f"{self.auditing:.0f}", _VERDICTS.get(self.code, f"exit {self.code}"),
            inside + (f": not {', '.join(self.off)}" if self.off else ""),
        )  # fmt: skip


def call(words: Sequence[str], log: Path) -> int:
    """Run `audit` with some words in a process of its own and return its exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("w", encoding="utf-8") as stream:
        return subprocess.run(
            [sys.executable, "-m", "audit.cli", *words], stdout=stream, stderr=subprocess.STDOUT, env=environment,
            check=False,
        ).returncode  # fmt: skip


def remake(name: str, folder: Path, run: Run = call) -> Remade:
    """Build a system from its seed, hold its figures against the shipped ones, and audit the shipped weights.

    Args:
        name: The system.
        folder: For its weights, logs and run; a result of the same shipped weights that is sound is not made again.
        run: Runs `audit`.
    """
    from audit.reference._catalogue import read_metadata, weights_path
    from audit.reference._compare import compare
    from audit.reference._files import read_figures
    from audit.reference._systems import all_systems, figures_of

    shipped, result = weights_path(name), folder / "result.json"
    digest = read_metadata(shipped)["tensors_sha256"]
    if result.is_file():
        known = Remade(**json.loads(result.read_text(encoding="utf-8")))
        if known.digest == digest and known.sound:
            return known
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    code = run(["reference", "build", name, "--out", str(folder / "built")], folder / "build.log")
    built, off, count = time.perf_counter() - began, [], 0
    if code == 0:
        was, now = read_figures(figures_of(all_systems()[name]))[1], folder / "built" / f"{name}.figures.json"
        rows = compare(was, read_figures(now)[1])
        off, count = [r.name for r in rows if not r.agrees], len(rows)
        words = ["reference", "audit", name, "--out", str(folder / "run"), "--overwrite"]
        code = run(words, folder / "audit.log")
    else:
        # 1 and 3 of a training are no verdicts.
        code = code if code not in _VERDICTS else 4
    made = Remade(
        name=name, digest=digest, building=round(built, 1), code=code, figures=count, off=off,
        auditing=round(time.perf_counter() - began - built, 1),
    )  # fmt: skip
    result.write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")
    return made


def remake_all(names: Sequence[str], out: Path, *, jobs: int, run: Run = call) -> int:
    """Remake systems side by side, print a table, and return 0 where all are sound, else 1."""
    began = time.perf_counter()

    def one(name: str) -> Remade:
        made = remake(name, out / name, run)
        with _SAYING:
            print(f"{name}: {'done' if made.sound else 'not as shipped, see ' + str(out / name)}", flush=True)
        return made

    with ThreadPoolExecutor(jobs) as pool:
        made = list(pool.map(one, names))
    table = [("system (phantom)", "built, s", "audited, s", "verdict", "figures within"), *(m.row for m in made)]
    widths = [max(len(row[i]) for row in table) for i in range(4)]
    print()
    for row in table:
        print("  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]).rstrip())
    print(f"\n{len(made)} systems in {(time.perf_counter() - began) / 60:.1f} minutes")
    return 0 if made and all(m.sound for m in made) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the two targets of the Makefile and return its exit code."""
    from audit.errors import AuditError
    from audit.reference._curves import measure_curves

    parser = argparse.ArgumentParser(description="Build and audit the systems of the lecture, or measure their curves.")
    parser.add_argument("names", nargs="*", help="systems; all that are shipped by default")
    parser.add_argument("--out", type=Path, default=Path("reference-run"), help="folder for what is made")
    parser.add_argument("--jobs", type=int, default=2, help="systems at a time")
    parser.add_argument("--curves", action="store_true", help="measure curves and grids instead")
    parser.add_argument("--into", type=Path, default=Path("docs/reference-models/curves"), help="where curves go")
    asked = parser.parse_args(argv)
    try:
        names = _checked(asked.names, parser)
        if not asked.curves:
            return remake_all(names, asked.out, jobs=asked.jobs)
        for name in names:
            print(measure_curves(name, asked.out / name, asked.into, say=lambda t: print(t, flush=True)))
    except AuditError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _checked(names: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    from audit.reference import is_twin, list_models

    shipped = [m.name for m in list_models() if not is_twin(m.name)]
    unknown = [name for name in names if name not in shipped]
    if unknown:
        parser.error(f"no shipped system {', '.join(unknown)}; there are {', '.join(shipped)}")
    return list(names) or shipped


if __name__ == "__main__":
    sys.exit(main())
