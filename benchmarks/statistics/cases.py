"""Predictions that no audit may pass, and one that a sound audit should.

Each case is a table of saved predictions whose fault was planted: y_true, y_score, y_pred (score >= 0.5), patient,
site, split and declined (1 where the model gave no answer), one row a patient unless said otherwise. The faults are
those of `docs/pitfalls.md` that other programs were seen to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 2000
"""Patients of each of the two large sites."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """One file of predictions.

    Args:
        name: Short name.
        fault: What is wrong with it, in one sentence; empty for the sound one.
        label: (n,) 0 or 1.
        score: (n,) probability, NaN where it is missing.
        site: (n,) site of the case.
        patient: (n,) patient number.
        declined: (n,) bool, where the model declined to answer; None: nowhere.
    """

    name: str
    fault: str
    label: NDArray[np.int64]
    score: NDArray[np.float64]
    site: NDArray[np.str_]
    patient: NDArray[np.int64]
    declined: NDArray[np.bool_] | None = None

    def write(self, path: Path) -> None:
        """Write the table as a CSV file."""
        lines = ["case,y_true,y_score,y_pred,patient,site,split,declined"]
        declined = np.zeros(len(self.label), dtype=bool) if self.declined is None else self.declined
        for i, (label, score, site, patient, no) in enumerate(
            zip(self.label, self.score, self.site, self.patient, declined, strict=True)
        ):
            shown = "" if np.isnan(score) else f"{score:.6f}"
            lines.append(f"c{i},{label},{shown},{int(score >= 0.5)},p{patient},{site},test,{int(no)}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sound(rng: np.random.Generator, n: int, *, prevalence: float = 0.4) -> tuple[NDArray, NDArray]:
    """Return labels and calibrated scores with a sensitivity and specificity near 0.95 at 0.5."""
    label = (rng.random(n) < prevalence).astype(np.int64)
    # A binormal logit with slope 1 against the label's log odds is calibrated: mean +- d^2 / 2, variance d^2.
    distance = 3.4
    logit = rng.normal((label - 0.5) * distance**2, distance) + np.log(prevalence / (1 - prevalence))
    return label, 1 / (1 + np.exp(-logit))


def _table(name: str, fault: str, parts: list[tuple[str, NDArray, NDArray]]) -> Table:
    label = np.concatenate([p[1] for p in parts])
    return Table(
        name=name, fault=fault, label=label.astype(np.int64), score=np.concatenate([p[2] for p in parts]),
        site=np.concatenate([np.full(len(p[1]), p[0]) for p in parts]), patient=np.arange(len(label)),
    )  # fmt: skip


def _with_small_site(name: str, fault: str, label: NDArray, score: NDArray) -> Table:
    rng = np.random.default_rng(11)
    return _table(name, fault, [("A", *_sound(rng, SIDE)), ("B", *_sound(rng, SIDE)), ("C", label, score)])


def sound() -> Table:
    """Return predictions without a fault, enough of them to show it."""
    rng = np.random.default_rng(11)
    return _table("sound", "", [("A", *_sound(rng, SIDE)), ("B", *_sound(rng, SIDE))])


def one_site_all_wrong() -> Table:
    """Return a site of which every case is wrong, with no other to compare it with."""
    rng = np.random.default_rng(12)
    label, _ = _sound(rng, SIDE)
    return _table("only-site-all-wrong", "the only site is 0 % right", [("A", label, np.where(label == 1, 0.2, 0.8))])


def four_cases_all_wrong() -> Table:
    """Return a site of four cases, all wrong."""
    label = np.array([1, 1, 0, 0])
    return _with_small_site("site-of-4-wrong", "a site of 4 cases is all wrong", label, np.where(label == 1, 0.2, 0.8))


def certain_and_wrong() -> Table:
    """Return a model that is wrong on every case with a probability of 1."""
    rng = np.random.default_rng(13)
    label = (rng.random(SIDE) < 0.4).astype(np.int64)
    return _table("certain-and-wrong", "every case is wrong at probability 1", [("A", label, 1.0 - label)])


def no_positives() -> Table:
    """Return a site without a positive case."""
    rng = np.random.default_rng(14)
    label = np.zeros(150, dtype=np.int64)
    score = 0.3 * rng.random(150)
    return _with_small_site(
        "site-without-positives", "a site has no positive case, so none could be missed", label, score
    )


def nineteen_missed() -> Table:
    """Return a site of nineteen positives, every one missed."""
    return _with_small_site(
        "site-of-19-missed", "all 19 cases of a site are missed", np.ones(19, dtype=np.int64), np.full(19, 0.1)
    )


def scores_missing() -> Table:
    """Return predictions of which every tenth, among the positives mostly, has no score."""
    rng = np.random.default_rng(15)
    table = sound()
    hard = (table.label == 1) & (rng.random(len(table.label)) < 0.25)
    return Table(
        name="scores-missing", fault="a quarter of the positives has no score", label=table.label,
        score=np.where(hard, np.nan, table.score), site=table.site, patient=table.patient,
    )  # fmt: skip


def one_group_by_chance() -> Table:
    """Return equal sites of a few positives each, among which some differ by chance alone."""
    rng = np.random.default_rng(16)
    parts = []
    for index in range(12):
        label = np.repeat([1, 0], [2 + index // 2, 60]).astype(np.int64)
        hit = np.where(label == 1, rng.random(len(label)) < 0.6, rng.random(len(label)) < 0.1)
        parts.append((f"S{index:02d}", label, np.where(hit, 0.8, 0.2)))
    return _table("few-positives-a-site", "no site has enough positives to say anything", parts)


def repeated_images() -> Table:
    """Return few patients with many images each, which look like a large cohort."""
    rng = np.random.default_rng(17)
    label, score = _sound(rng, 40, prevalence=0.5)
    table = _table(
        "40-patients-100-images", "4,000 images are 40 patients",
        [("A", np.repeat(label[:20], 100), np.repeat(score[:20], 100)),
         ("B", np.repeat(label[20:], 100), np.repeat(score[20:], 100))],
    )  # fmt: skip
    return Table(
        name=table.name, fault=table.fault, label=table.label, score=table.score, site=table.site,
        patient=np.repeat(np.arange(40), 100),
    )  # fmt: skip


def _rare(name: str, fault: str, *, declined: bool) -> Table:
    """Return a rare disease of which most cases got no answer, which is little of the whole."""
    rng = np.random.default_rng(18)
    table = _table(name, fault, [(site, *_sound(rng, SIDE, prevalence=0.05)) for site in ("A", "B")])
    # The ones that the model is least sure of, as a gate of quality would do.
    order = np.argsort(np.where(table.label == 1, table.score, 2.0))
    gone = np.zeros(len(table.label), dtype=bool)
    gone[order[: int(0.6 * table.label.sum())]] = True
    if declined:
        return replace(table, declined=gone)
    return replace(table, score=np.where(gone, np.nan, table.score))


def most_of_the_ill_unscored() -> Table:
    """Return 4,000 cases of which 3 % have no score: most of the ill."""
    return _rare("ill-without-score", "60 % of the ill have no score, 3 % of all cases", declined=False)


def most_of_the_ill_declined() -> Table:
    """Return 4,000 cases of which the model declined 3 %: most of the ill."""
    return _rare("ill-declined", "60 % of the ill are declined, 3 % of all cases", declined=True)


def six_missed() -> Table:
    """Return a site of six positives, every one missed, and well patients who are spared."""
    label = np.repeat([1, 0], [6, 60]).astype(np.int64)
    return _with_small_site("site-of-6-missed", "all 6 ill of a site are missed", label, np.full(66, 0.1))


FAIL_OPEN: tuple[Callable[[], Table], ...] = (
    one_site_all_wrong, four_cases_all_wrong, certain_and_wrong, no_positives, nineteen_missed, scores_missing,
    one_group_by_chance, repeated_images, most_of_the_ill_unscored, most_of_the_ill_declined, six_missed,
)  # fmt: skip
