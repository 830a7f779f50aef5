"""The page of the docs about the attack beside its peers, from the results alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.adversarial import heads, tasks

OURS = ("ours, fp32", "ours, bf16")
RANKS = "ours, bf16, with ranks"
# The targets that were set before the first run; those of time are for the small 2-D network.
GRADIENTS = 0.5
FASTER = {"ours, fp32": 1.5, "ours, bf16": 3.0}
STEPS = ("5", "20")
SETTINGS = (
    "network", "images a seed", "seeds at 5 steps", "seeds at 20 steps", "right on new images, by seed",
    "left standing by all engines together, by size",
)  # fmt: skip
CELLS = (
    "network", "steps", "cells", "broken by any peer", "a peer breaks, ours fp32 does not", "the same, ours bf16",
    "ours fp32 breaks, no peer does", "the same, ours bf16",
)  # fmt: skip
TIMES = (
    "network", "steps", "fastest peer", "fp32: wall clock", "fp32: processor", "bf16: wall clock", "bf16: processor",
)  # fmt: skip
Round = dict[str, dict[str, Any]]


def peers(rounds: Sequence[Round]) -> list[str]:
    """Return the peers in the order of the bench."""
    known = sorted(rounds[0], key=lambda e: (e.startswith("ART"), e.startswith("Foolbox"), e))
    return [e for e in known if not e.startswith("ours")]


def first(one: dict[str, Any]) -> list[int]:
    """Return the index of the smallest size at which each case fell; one that fell stays fallen at larger sizes."""
    return [int(c) for c in one["first"]]


def union(one: Round, engines: Iterable[str]) -> list[int]:
    """Return the same for whichever of some engines did best on each case."""
    return [min(column) for column in zip(*(first(one[e]) for e in engines if "first" in one[e]), strict=True)]


def stands(own: list[int], others: list[int]) -> int:
    """Return how many cells (case, size) others broke that stand here."""
    return sum(max(0, a - b) for a, b in zip(own, others, strict=True))


def misses(found: dict[str, Any], engine: str = "ours, fp32") -> int:
    """Return how many cells in all some peer breaks and ours does not."""
    return sum(
        _missed(one, engine) for model in found["models"].values() for r in model["rounds"].values() for one in r
    )


def _missed(one: Round, engine: str) -> int:
    return stands(first(one[engine]), union(one, peers([one])))


def page(found: dict[str, Any]) -> str:
    """Return the page."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"""# The attack against other programs

Written by `make bench-adversarial`: every figure was measured by that command on one machine ({found["cores"]} cores,
no GPU), two jobs of one thread each beside each other, {found["seconds"] / 60:.0f} minutes in all{_short(found)}. The
machine's load over the last quarter of an hour was {found["load"]:.1f}: above 2, other work took part of the cores.
Ratios carry over to other machines, times do not, and on another processor bfloat16 may bring nothing.

Versions: {versions}, Python {found["python"]}; the attack as of commit {found["commit"]}.

## What was compared

Simulated images, an organ in noise with or without a lesion; networks of two logits trained on them for seconds. Every
seed is a network, images and random starts of its own. All images attacked are answered rightly without an attack. The
six sizes (L-infinity) are the quantiles {", ".join(f"{q:.2f}" for q in tasks.QUANTILES)} of a rough smallest breaking
size, found by plain signed steps that belong to no engine, to spread from nearly all right to nearly all broken; few
images spread badly.

{_table(SETTINGS, _settings(found))}

Tasks at 5 steps come first, and none is begun after {found["minutes"]:g} minutes (`--minutes`), which is what may have
cut the seeds at 20.

Equal steps: each peer takes 5 or 20 from a random start at every size, a search of ours at most as many, from the
worst perturbation of the size before. 20 steps can hardly tell one attack from another on networks like these; 5
can. Whoever claims a case, one rule decides: its image is brought within size and range and the untouched network is
asked in float32. A case that an engine breaks counts as broken by it at larger sizes too, which favours the peers:
they do not carry anything over. Parameters want no gradient, from which every engine gains.

## Who breaks what

Cells are pairs of case and size. {_strength(found)}

{_table(CELLS, list(_cells(found)))}

How many of the cells that any engine breaks each one misses, at 5 steps:

{_missed_table(found, "5")}

At 20 steps:

{_missed_table(found, "20")}

"-" is a peer that cannot take these images. The peers
together have up to five random starts a size; ours has one search, and further ones where a case stands by little, paid
for by ending early those that are far from breaking, all within the gradients counted below.
Multiplying the logits by 50 changes no decision; it flattens the cross-entropy that the peers raise, and they report a
robust network.

## Gradients

Images of which a gradient was taken, per case, for the whole curve of six sizes, counted by the network itself for the
peers and by the engine for ours, its checks included. Six attacks from scratch take 30 and 120. The target is at most
{GRADIENTS:g} of that.

{_gradients(found)}

"With ranks" is what an audit does where the worst answers themselves are reported: broken cases are pushed on.

## Time

How many times as long as ours the fastest peer of the same round took for the curve; the median of the seeds, with the
range. Targets, for the small 2-D network at 20 steps: {FASTER["ours, fp32"]:g} in float32, {FASTER["ours, bf16"]:g} in
bfloat16.

{_table(TIMES, list(_times(found)))}

Below 1 ours is slower.

## Memory

Largest resident size of a process that attacks 32 × 32 images at two sizes and 5 steps. Ours reads cases when their
turn comes; a peer is handed one array.

{_memory(found)}

## Heads and shapes

A linear network, {heads.CASES} images at a size at which every one can be broken, 10 steps; how many are. Errors are
the peer's own.

{_heads(found)}

## Where ours loses

{_losses(found)}
"""


def _short(found: dict[str, Any]) -> str:
    return ", with fewer images than by default (`--short`)" if found.get("short") else ""


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "\n".join([_row(head), _row("---" for _ in head), *(_row(row) for row in rows)])


def _settings(found: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (
            tasks.KINDS[name].title, ", ".join(sorted({str(p["cases"]) for p in model["prepared"]})),
            len(model["rounds"]["5"]), len(model["rounds"]["20"]),
            ", ".join(f"{p['accuracy']:.2f}" for p in model["prepared"]), _curve(model["rounds"]["20"]),
        )
        for name, model in found["models"].items()
    ]  # fmt: skip


def _curve(rounds: list[Round]) -> str:
    fell = [size for one in rounds for size in union(one, one)]
    return ", ".join(f"{sum(size > i for size in fell) / len(fell):.2f}" for i in range(tasks.SIZES))


def _each(found: dict[str, Any]) -> Iterable[tuple[str, str, list[Round]]]:
    for steps in STEPS:
        for name, model in found["models"].items():
            yield tasks.KINDS[name].title, steps, model["rounds"][steps]


def _cells(found: dict[str, Any]) -> Iterable[tuple[object, ...]]:
    for title, steps, rounds in _each(found):
        total = sum(len(first(one[OURS[0]])) * tasks.SIZES for one in rounds)
        any_peer = [(one, union(one, peers([one]))) for one in rounds]
        fell = sum(tasks.SIZES - size for _, sizes in any_peer for size in sizes)
        missed = [sum(stands(first(one[e]), sizes) for one, sizes in any_peer) for e in OURS]
        extra = [sum(stands(sizes, first(one[e])) for one, sizes in any_peer) for e in OURS]
        yield title, steps, total, fell, *missed, *extra


def _strength(found: dict[str, Any]) -> str:
    wrong = {e: misses(found, e) for e in OURS}
    unconfirmed = sum(
        one[e].get("unconfirmed", 0) for _, _, rounds in _each(found) for one in rounds for e in (*OURS, RANKS)
    )
    return (
        f"The target is none that a peer breaks and ours does not; found: {wrong[OURS[0]]} in float32, "
        f"{wrong[OURS[1]]} in bfloat16. Of the images that ours shows as broken at the largest size, asked about again "
        f"by the rule of the peers, {unconfirmed} stood."
    )


def _missed_table(found: dict[str, Any], steps: str) -> str:
    models = found["models"]
    engines = [*OURS, *peers(next(iter(models.values()))["rounds"][steps])]
    rows = [[e, *(_of_any(model["rounds"][steps], e) for model in models.values())] for e in engines]
    return _table(["engine", *(tasks.KINDS[name].title for name in models)], rows)


def _of_any(rounds: list[Round], engine: str) -> str:
    if any("first" not in one[engine] for one in rounds):
        return "-"
    best = [(one, union(one, [e for e in one if e != RANKS])) for one in rounds]
    fell = sum(tasks.SIZES - size for _, sizes in best for size in sizes)
    return f"{sum(stands(first(one[engine]), sizes) for one, sizes in best)} of {fell}"


def _gradients(found: dict[str, Any]) -> str:
    models = found["models"]
    engines = [*OURS, RANKS, *peers(next(iter(models.values()))["rounds"]["20"])]
    head = ["engine", *(f"{tasks.KINDS[n].title}: {s} steps" for n in models for s in STEPS)]
    rows = [[e, *(_per_case(m["rounds"][s], e) for m in models.values() for s in STEPS)] for e in engines]
    ratios = [[f"{_share(m['rounds'][s], s, e):.2f}" for m in models.values() for s in STEPS] for e in (*OURS, RANKS)]
    shares = [[f"{e}, as a share", *row] for e, row in zip((*OURS, RANKS), ratios, strict=True)]
    return _table(head, [*rows, *shares])


def _mean(rounds: list[Round], engine: str) -> float:
    cases = sum(len(one[OURS[0]]["first"]) for one in rounds)
    return sum(one[engine]["gradients"] for one in rounds) / cases


def _per_case(rounds: list[Round], engine: str) -> str:
    return "-" if any("first" not in one[engine] for one in rounds) else f"{_mean(rounds, engine):.1f}"


def _share(rounds: list[Round], steps: str, engine: str) -> float:
    return _mean(rounds, engine) / (int(steps) * tasks.SIZES)


def _fastest(one: Round, clock: str) -> tuple[float, str]:
    return min((one[e][clock], e) for e in peers([one]) if clock in one[e])


def _ratios(rounds: list[Round], engine: str, clock: str) -> list[float]:
    return [_fastest(one, clock)[0] / one[engine][clock] for one in rounds]


def _times(found: dict[str, Any]) -> Iterable[tuple[object, ...]]:
    for title, steps, rounds in _each(found):
        names = [_fastest(one, "wall")[1] for one in rounds]
        cells = [_range(_ratios(rounds, e, clock)) for e in OURS for clock in ("wall", "cpu")]
        yield title, steps, max(sorted(set(names)), key=names.count), *cells


def _range(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _memory(found: dict[str, Any]) -> str:
    counts = list(next(iter(found["memory"].values())))
    rows = []
    for engine, by in found["memory"].items():
        peaks = [by[c].get("peak_mb") for c in counts]
        shown = ["-" if p is None else f"{p:,.0f} MB" for p in peaks]
        more = "-" if None in peaks else f"{peaks[-1] - peaks[0]:+,.0f} MB"
        rows.append([engine, *shown, more])
    return _table(["engine", *(f"{int(c):,} cases" for c in counts), "more"], rows)


def _heads(found: dict[str, Any]) -> str:
    engines = list(next(iter(found["heads"].values())))
    rows = [[e, *(_said(found["heads"][name][e]) for name in heads.TITLES)] for e in engines]
    return _table(["engine", *heads.TITLES.values()], rows)


def _said(one: dict[str, Any]) -> str:
    if "error" in one:
        return str(one["error"]).split(":")[0]
    # An attack that gives survivors back as they were is at work; one that gives all of them back is not.
    idle = one.get("untouched", 0) == one["cases"]
    return f"{one['broken']}" + (", all given back unchanged, no error" if idle else "")


def _losses(found: dict[str, Any]) -> str:
    lost = [*_lost_cells(found), *_lost_gradients(found), *_lost_time(found)]
    if not lost:
        return "Nowhere in this run."
    return "\n".join(f"- {line}" for line in lost)


def _lost_cells(found: dict[str, Any]) -> Iterable[str]:
    for title, steps, rounds in _each(found):
        for engine in OURS:
            for seed, one in enumerate(rounds):
                own, best = first(one[engine]), union(one, peers([one]))
                for case, (a, b) in enumerate(zip(own, best, strict=True)):
                    if b < a:
                        by = ", ".join(e for e in peers([one]) if "first" in one[e] and first(one[e])[case] < a)
                        where = f"{title}, {steps} steps, {engine}: seed {seed}, case {case}"
                        later = f"at size {a + 1}" if a < tasks.SIZES else "at none"
                        yield f"{where} falls at size {b + 1} to {by}, {later} to ours."


def _lost_gradients(found: dict[str, Any]) -> Iterable[str]:
    for title, steps, rounds in _each(found):
        for engine in (*OURS, RANKS):
            share = _share(rounds, steps, engine)
            if share > GRADIENTS:
                what = f"{title}, {steps} steps, {engine}"
                yield f"{what}: {share:.3f} of the gradients from scratch, above {GRADIENTS:g}."


def _lost_time(found: dict[str, Any]) -> Iterable[str]:
    small = tasks.KINDS["cnn2"].title
    for title, steps, rounds in _each(found):
        for engine in OURS:
            ratio = statistics.median(_ratios(rounds, engine, "wall"))
            told = f"{title}, {steps} steps, {engine}: the fastest peer takes {ratio:.2f} times as long"
            if ratio < 1:
                yield f"{told}, so ours is slower."
            elif title == small and steps == "20" and ratio < FASTER[engine]:
                yield f"{told}, less than the {FASTER[engine]:g} aimed at."
