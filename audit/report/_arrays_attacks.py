"""Figures of attacks other than the robustness curve, from stored arrays; each with what it must be held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from audit.core import StoredArtifact
from audit.judge import unit_name, unit_words
from audit.report._array_parts import MOST_SERIES, Arrays, floats, meta_number
from audit.report._chart import Curve, Forest, Row, Series, padded
from audit.report._figures import Figure
from audit.report._numbers import number
from audit.report._words import capital, plural

_WANTS = {"miss": "missed", "false alarm": "false alarms"}
_STRATA = {"all": "all", "positive": "ill", "negative": "healthy"}


def _rungs(sizes: Any) -> tuple[tuple[float, ...], tuple[tuple[float, str], ...]]:
    """Return evenly spaced places of rising sizes, and what is written below them: ladders double from rung to rung."""
    places = tuple(float(i) for i in range(len(sizes)))
    return places, tuple((p, "none" if s == 0 else number(float(s))) for p, s in zip(places, sizes, strict=True))


def _by_rung(
    artifact: StoredArtifact, sizes: Any, rows: list[tuple[str, Any]], *, x_label: str, y_label: str, caption: str
) -> Figure:
    """Return a line a row over the sizes, the first of which is no change."""
    x, ticks = _rungs(sizes)
    series = []
    for ink, (name, values) in enumerate(rows[:MOST_SERIES], start=1):
        if len(values) != len(x):
            raise ValueError("expected a value for each size")
        series += [Series(name=name, shape=shape, x=x, y=floats(values), ink=ink) for shape in ("line", "dots")]
    left = len(rows) - MOST_SERIES
    more = f" {plural(left, 'further line')} among the artifacts." if left > 0 else ""
    chart = Curve(
        title=f"{artifact.title}: {', '.join(name for name, _ in rows[:MOST_SERIES])}", x_label=x_label,
        y_label=y_label, series=tuple(series), x_domain=(-0.2, len(x) - 0.8), y_domain=(0.0, 1.0), x_ticks=ticks,
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}. {caption}{more}")


def _size_label(artifact: StoredArtifact, what: str = "Size of the change") -> str:
    unit = str(artifact.meta.get("epsilon_unit") or "")
    return f"{what}, {unit_name(unit)}" if unit else what


def _transfer(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return each surrogate twice: what its images do to the audited model, and to itself."""
    there, own = np.asarray(arrays["share_right"]), np.asarray(arrays["share_right_on_surrogate"])
    names = [_of(str(r), str(q)) for r, q in zip(arrays["relation"], arrays["question"], strict=True)]
    order = np.argsort(there[:, -1], kind="stable")
    rows: list[tuple[str, Any]] = []
    for i in order:
        rows += [(f"{names[i]}: audited model", there[i]), (f"{names[i]}: surrogate itself", own[i])]
    caption = (
        "Made on the surrogate, tried on both. The line of the surrogate is the control: where it does not fall, the "
        "attack did not work there, and nothing follows for the audited model."
    )
    return _by_rung(
        artifact, arrays["epsilon"], rows, x_label=_size_label(artifact), y_label="Share right", caption=caption
    )  # fmt: skip


def _of(first: str, second: str) -> str:
    return ", ".join(word for word in (first, second) if word) or "model"


def _minimal(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return the share of cases that are turned by sizes up to each, those that nothing turned included."""
    sizes = np.sort(np.asarray(arrays["size"], dtype=float))
    cases, largest = meta_number(artifact, "cases") or len(sizes), meta_number(artifact, "largest")
    if not sizes.size or not cases:
        return None
    keep = np.unique(np.linspace(0, sizes.size - 1, min(sizes.size, 120)).astype(int))
    x, y = floats(sizes[keep]), floats((keep + 1) / cases)
    end = max(largest or 0.0, x[-1]) or 1.0
    noise = meta_number(artifact, "noise_sd")
    of = str(artifact.meta.get("class") or "")
    line = Series(name="turned", shape="step", x=(0.0, *x, end), y=(0.0, *y, y[-1]))
    chart = Curve(
        title=f"{artifact.title}: {number(100 * y[-1])} % turned", x_label=_size_label(artifact, "Smallest change"),
        y_label="Share of cases turned", series=(line,), x_domain=(0, end * 1.02), y_domain=(0, 1),
        marks=(noise,) if noise is not None and noise <= end else (),
    )  # fmt: skip
    said = f"{artifact.title}{f', {of}' if of else ''}. Of {plural(int(cases), 'case')}."
    if noise is not None:
        where = "Dashed: the" if noise <= end else "The"
        said += f" {where} noise of this cohort, {number(noise)}: what lies below it is lost in the noise."
    return Figure(chart=chart, caption=said)


def _targeted(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return misses and false alarms over the size; the first point is without an attack."""
    rows = [
        (_of(str(f), _WANTS.get(str(w), str(w))), r)
        for f, w, r in zip(arrays["finding"], arrays["want"], np.asarray(arrays["rate"]), strict=True)
    ]
    return _by_rung(
        artifact, arrays["epsilon"], rows, x_label=_size_label(artifact), y_label="Share of cases",
        caption="What rises above the first point is the attack's; the first point is the model's own.",
    )  # fmt: skip


def _sparse(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return the share right over the number of pixels."""
    rows = [
        (str(q) or "share right", s) for q, s in zip(arrays["question"], np.asarray(arrays["share_right"]), strict=True)
    ]
    pixels = meta_number(artifact, "pixels_of_image")
    of = f" of {number(pixels)}" if pixels is not None else ""
    return _by_rung(
        artifact, arrays["pixels"], rows, x_label=f"Pixels changed{of}", y_label="Share right",
        caption="Every one of these pixels may take any value of the range; the first point is without an attack.",
    )  # fmt: skip


def _universal(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return the share right of each stratum under its own perturbation; strata without a case have none."""
    shares = np.asarray(arrays["share_right"], dtype=float)
    rows = [
        (_STRATA.get(str(s), str(s)), row)
        for s, row in zip(arrays["stratum"], shares, strict=True) if (row >= 0).all()
    ]  # fmt: skip
    if not rows:
        return None
    fitted, judged = (meta_number(artifact, k) for k in ("fitted", "judged"))
    caption = "One change for all images, judged on other patients than it was fitted to; the first point is no change."
    if fitted is not None and judged is not None:
        caption += f" Fitted to {plural(int(fitted), 'case')}, judged on {plural(int(judged), 'case')}."
    return _by_rung(
        artifact, arrays["epsilon"], rows, x_label=_size_label(artifact), y_label="Share right", caption=caption
    )  # fmt: skip


def _queries(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return the share right over what was asked, on a scale that gives the first questions room."""
    asked = np.asarray(arrays["queries"], dtype=float)
    if asked.size != np.asarray(arrays["share_right"]).size:
        raise ValueError("expected a share for each number of questions")
    x, y = floats(np.log10(np.maximum(asked, 1.0))), floats(arrays["share_right"])
    ticks = tuple((float(k), number(10.0**k)) for k in range(int(np.ceil(max(x))) + 1) if k <= max(x))
    chart = Curve(
        title=f"{artifact.title}: {number(y[0])} at first, {number(y[-1])} in the end",
        x_label="Images asked for, a case", y_label="Share right",
        series=(Series(name="share right", shape="step", x=x, y=y),), x_domain=(0.0, max(x) * 1.02 or 1.0),
        y_domain=(0, 1), x_ticks=ticks,
    )  # fmt: skip
    epsilon, n = meta_number(artifact, "epsilon"), meta_number(artifact, "n")
    size = f" Changes of at most {number(epsilon)}." if epsilon is not None else ""
    cases = f" {plural(int(n), 'case')}." if n is not None else ""
    caption = f"{artifact.title}. A line that still falls at its end says that more questions would break more."
    return Figure(chart=chart, caption=caption + size + cases)


def _controls(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return the share right under the attack among the changes that are aimed at nothing."""
    rows = tuple(
        Row(label=capital(str(name).replace("_", " ")), text=number(float(share)), value=float(share))
        for name, share in zip(arrays["condition"], floats(arrays["share_right"]), strict=True)
    )
    of, n = str(artifact.meta.get("class") or ""), meta_number(artifact, "n")
    chart = Forest(title=f"{artifact.title}: {', '.join(f'{r.label} {r.text}' for r in rows)}", rows=rows)
    epsilon, unit = meta_number(artifact, "epsilon"), str(artifact.meta.get("epsilon_unit") or "")
    size = f" All changes have the size {unit_words(number(epsilon), unit)}." if epsilon is not None else ""
    counts = f" {plural(int(n), 'case')}." if n is not None else ""
    caption = f"{artifact.title}{f', {of}' if of else ''}. A control near the attack: the size does it, not the aim."
    return Figure(chart=chart, caption=caption + size + counts)


def _visibility(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return how alike images are before and after, in both measures, those overturned apart."""
    decibels, alike = (np.asarray(arrays[k], dtype=float) for k in ("psnr_db", "ssim"))
    turned = np.asarray(arrays["overturned"]).astype(bool)
    if not decibels.size or alike.size != decibels.size:
        return None
    series = [
        Series(name=name, shape="dots", x=floats(decibels[at], 400), y=floats(alike[at], 400), ink=ink)
        for ink, (name, at) in enumerate((("overturned", turned), ("still right", ~turned)), start=1) if at.any()
    ]  # fmt: skip
    chart = Curve(
        title=f"{artifact.title}: {plural(int(turned.sum()), 'case')} of {decibels.size} overturned",
        x_label="Peak signal to noise, dB", y_label="Structural similarity", series=tuple(series),
        x_domain=padded([float(decibels.min()), float(decibels.max())]),
        y_domain=(padded([float(alike.min()), 1.0])[0], 1.0),
    )  # fmt: skip
    epsilon, unit = meta_number(artifact, "epsilon"), str(artifact.meta.get("epsilon_unit") or "")
    size = f" The size is {unit_words(number(epsilon), unit)}." if epsilon is not None else ""
    caption = f"{artifact.title}. To the right and to the top a change is harder to see; 40 dB is hard to see anywhere."
    return Figure(chart=chart, caption=caption + size)


ATTACKED: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "transfer_curve": _transfer, "minimal_perturbations": _minimal, "targeted_rates": _targeted,
    "sparse_curve": _sparse, "universal_perturbation": _universal, "query_curve": _queries,
    "attack_controls": _controls, "attack_visibility": _visibility,
}  # fmt: skip
