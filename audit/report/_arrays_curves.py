"""Figures of curves from stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, floats, known, largest, meta_number
from audit.report._chart import Curve, Series, padded
from audit.report._figures import Figure
from audit.report._numbers import number
from audit.report._words import plural


def _roc(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    names = np.asarray(arrays["class"]).astype(str) if "class" in arrays else np.full(len(arrays["fpr"]), "")
    series = []
    for ink, name in enumerate(list(dict.fromkeys(names.tolist()))[:4], start=1):
        mine = names == name
        x, y = floats(arrays["fpr"][mine]), floats(arrays["tpr"][mine])
        series.append(Series(name=name or "model", shape="line", x=x, y=y, ink=ink))
    for ink, who in ((1, "model"), (2, "comparator")):
        at = meta_number(artifact, f"{who}_fpr"), meta_number(artifact, f"{who}_tpr")
        if at[0] is not None and at[1] is not None:
            label = series[ink - 1].name if len(series) >= ink else str(artifact.meta.get("parameter") or who)
            series.append(Series(name=label, shape="dots", x=(at[0],), y=(at[1],), ink=ink))
    chart = Curve(
        title=f"{artifact.title}: share of positives found against share of false alarms", x_label="1 − specificity",
        y_label="Sensitivity", series=tuple(series), x_domain=(0, 1), y_domain=(0, 1), diagonal=True,
    )  # fmt: skip
    used = " Dots: as used." if any(s.shape == "dots" for s in series) else ""
    return Figure(chart=chart, caption=f"{artifact.title}. Thin line: chance.{used}")


def _roc_by_level(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    codes = np.asarray(arrays["level"]).astype(int)
    named = str(artifact.meta.get("levels", "")).split("|")
    words = np.array([named[c] if 0 <= c < len(named) else f"level {c + 1}" for c in codes.tolist()])
    # A step of a curve is a case: the longest curves are those of the largest levels.
    kept, count = largest(words, np.ones(len(words)))
    series = tuple(
        Series(name=name, shape="line", x=floats(arrays["fpr"][words == name], 60),
               y=floats(arrays["tpr"][words == name], 60), ink=ink)
        for ink, name in enumerate(kept, start=1)
    )  # fmt: skip
    chart = Curve(
        title=f"{artifact.title}: {', '.join(kept)}", x_label="1 − specificity", y_label="Sensitivity",
        series=series, x_domain=(0, 1), y_domain=(0, 1), diagonal=True,
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}. Thin line: chance.{_some(len(kept), count)}")


def _some(kept: int, count: int) -> str:
    return f" The {kept} largest of {count} levels." if kept < count else ""


def _reliability(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    rows = known(arrays, "predicted", "observed")
    x, y = floats(np.asarray(arrays["predicted"])[rows]), floats(np.asarray(arrays["observed"])[rows])
    series = []
    if "n" in arrays:
        series.append(Series(name="cases in the bin", shape="bars", x=x, y=floats(np.asarray(arrays["n"])[rows])))
    if "low" in arrays and "high" in arrays:
        low, high = floats(np.asarray(arrays["low"])[rows]), floats(np.asarray(arrays["high"])[rows])
        series.append(Series(name="observed share", shape="whiskers", x=x, y=y, bottom=low, top=high))
    else:
        series.append(Series(name="observed share", shape="dots", x=x, y=y))
    chart = Curve(
        title=f"{artifact.title}: observed against predicted share",
        x_label="Predicted probability", y_label="Observed share",
        series=tuple(series), x_domain=(0, 1), y_domain=(0, 1), diagonal=True,
    )  # fmt: skip
    n = np.asarray(arrays["n"])[rows] if "n" in arrays else None
    bars = f" Grey bars: cases a bin, {int(n.min())} to {int(n.max())}." if n is not None and len(n) else ""
    return Figure(chart=chart, caption=f"{artifact.title}. On the thin line, probabilities are right.{bars}")


def _reliability_by_level(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    rows = known(arrays, "predicted", "observed")
    words = np.asarray(arrays["level"]).astype(str)
    kept, count = largest(words[rows], np.asarray(arrays["n"])[rows])
    whiskers = "low" in arrays and "high" in arrays
    series = []
    for ink, name in enumerate(kept, start=1):
        mine = rows & (words == name)
        x, y = (floats(np.asarray(arrays[k])[mine]) for k in ("predicted", "observed"))
        series.append(Series(name=name, shape="line", x=x, y=y, ink=ink))
        if whiskers:
            low, high = (floats(np.asarray(arrays[k])[mine]) for k in ("low", "high"))
            series.append(Series(name=name, shape="whiskers", x=x, y=y, bottom=low, top=high, ink=ink))
        else:
            series.append(Series(name=name, shape="dots", x=x, y=y, ink=ink))
    chart = Curve(
        title=f"{artifact.title}: {', '.join(kept)}", x_label="Predicted probability", y_label="Observed share",
        series=tuple(series), x_domain=(0, 1), y_domain=(0, 1), diagonal=True,
    )  # fmt: skip
    n = np.asarray(arrays["n"])[rows & np.isin(words, kept)]
    sizes = f" Bins of {int(n.min())} to {int(n.max())} cases." if n.size else ""
    bars = " Whiskers: interval of each share, by patient." if whiskers else ""
    text = f"{artifact.title}. On the thin line, probabilities are right.{bars}{sizes}{_some(len(kept), count)}"
    return Figure(chart=chart, caption=text)


def _operating(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x = floats(arrays["threshold"])
    series: list[Series] = []
    for ink, name in enumerate(("sensitivity", "specificity"), start=1):
        if f"{name}_low" in arrays:
            low, high = floats(arrays[f"{name}_low"]), floats(arrays[f"{name}_high"])
            series.append(Series(name=name, shape="band", x=x, y=low, top=high, ink=ink))
        series.append(Series(name=name, shape="line", x=x, y=floats(arrays[name]), ink=ink))
    if "called_positive" in arrays:
        series.append(Series(name="called positive", shape="line", x=x, y=floats(arrays["called_positive"]), ink=3))
    point = meta_number(artifact, "operating_point")
    chart = Curve(
        title=f"{artifact.title}", x_label="Threshold", y_label="Share", series=tuple(series),
        x_domain=(0, 1) if min(x) >= 0 and max(x) <= 1 else (min(x), max(x)),
        y_domain=(0, 1), marks=() if point is None else (point,),
    )  # fmt: skip
    dashed = f" Dashed: the operating point, {number(point)}." if point is not None else ""
    return Figure(chart=chart, caption=f"{artifact.title}, with intervals.{dashed}")


def _decision(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x = floats(arrays["threshold"])
    model = floats(arrays["model"])
    bottom = min(0.0, *model) - 0.02
    series = [
        Series(name="model", shape="band", x=x, y=floats(arrays["low"]), top=floats(arrays["high"])),
        Series(name="model", shape="line", x=x, y=model),
    ]
    # Acting on all falls without end; what lies far below nobody's benefit says nothing more.
    everybody = np.maximum(np.asarray(arrays["treat_all"], dtype=float), bottom)
    series.append(Series(name="act on all", shape="line", x=x, y=floats(everybody), ink=2))
    series.append(Series(name="act on nobody", shape="line", x=x, y=floats(arrays["treat_none"]), ink=3))
    top = max([v for s in series for v in (*s.y, *s.top)]) * 1.08
    point = meta_number(artifact, "operating_point")
    chart = Curve(
        title=f"{artifact.title}: model, acting on all, acting on nobody", x_label="Threshold probability",
        y_label="Net benefit", series=tuple(series), x_domain=(0, max(x)), y_domain=(bottom, top or 0.1),
        marks=() if point is None else (point,),
    )  # fmt: skip
    where = f" {str(artifact.meta['stratum']).capitalize()}." if artifact.meta.get("stratum") else ""
    dashed = f" Dashed: the operating point, {number(point)}." if point is not None else ""
    return Figure(chart=chart, caption=f"{artifact.title}; higher is better.{where}{dashed}")


def _coverage(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x, y = floats(arrays["coverage"]), floats(arrays["risk"])
    low, high = floats(arrays["low"]), floats(arrays["high"])
    series = (
        Series(name="risk", shape="band", x=x, y=low, top=high), Series(name="risk", shape="line", x=x, y=y),
    )  # fmt: skip
    chart = Curve(
        title=artifact.title, x_label="Share of cases kept, the most confident first", y_label="Share decided wrongly",
        series=series, x_domain=(0, 1), y_domain=(0.0, min(1.0, max(high) * 1.08) or 0.1),
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}. A confidence of worth gives a line that rises to the right.")


def _paired(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x = floats(arrays["share"])
    other = str(artifact.meta.get("parameter") or "comparator")
    series = tuple(
        Series(name=name, shape="line", x=x, y=floats(arrays[key]), ink=ink)
        for ink, (key, name) in enumerate((("model", "model"), ("comparator", other)), start=1)
    )
    top = max(v for s in series for v in s.y) * 1.05 or 1.0
    chart = Curve(
        title=artifact.title, x_label="Share of cases", y_label="Absolute error at most", series=series,
        x_domain=(0, 1), y_domain=(0, top),
    )  # fmt: skip
    n = meta_number(artifact, "n")
    said = f" {plural(n, 'case')}." if n is not None else ""
    return Figure(chart=chart, caption=f"{artifact.title}. The lower line is nearer to the reference.{said}")


def _bland_altman(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x, y = floats(arrays["mean"], 400), floats(arrays["difference"], 400)
    lines = {name: meta_number(artifact, name) for name in ("mean", "low", "high")}
    ends = (min(x), max(x)) if len(set(x)) > 1 else padded(list(x))
    bands = []
    for name in lines:
        low, high = meta_number(artifact, f"{name}_from"), meta_number(artifact, f"{name}_to")
        if low is not None and high is not None:
            bands.append(Series(name="interval of a line", shape="band", x=ends, y=(low, low), top=(high, high), ink=2))
    cloud = Series(name="cases", shape="dots", x=x, y=y)
    heights = [*y, *(v for s in bands for v in (*s.y, *s.top)), *(v for v in lines.values() if v is not None), 0.0]
    chart = Curve(
        title=artifact.title, x_label="Mean of both", y_label="Difference", series=(*bands, cloud),
        x_domain=padded(list(ends), 0.03), y_domain=padded(heights, 0.05), levels=(0.0,),
        limits=tuple(v for v in lines.values() if v is not None),
    )  # fmt: skip
    words = [f"{word} {number(v)}" for word, v in zip(("mean", "lower limit", "upper limit"), lines.values(),
             strict=True) if v is not None]  # fmt: skip
    dashed = f" Dashed, with their intervals: {', '.join(words)}." if words else ""
    return Figure(chart=chart, caption=f"{artifact.title}.{dashed} Thin line: no difference.")


def _steps(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    edges = np.asarray(arrays["edges"], dtype=float)
    series = []
    for ink, name in enumerate([k for k in arrays if k != "edges"][:4], start=1):
        counts = np.asarray(arrays[name], dtype=float)
        if counts.shape != (len(edges) - 1,):
            raise ValueError("expected one count a bin")
        share = counts / max(1.0, counts.sum())
        heights = (*floats(share), float(share[-1]))
        series.append(Series(name=name.replace("_", " "), shape="step", x=floats(edges), y=heights, ink=ink))
    top = max(v for s in series for v in s.y) * 1.08 or 1.0
    point = meta_number(artifact, "operating_point")
    chart = Curve(
        title=f"{artifact.title}: share of cases by score",
        x_label="Value" if artifact.name == "output_spread" else "Score", y_label="Share of cases",
        series=tuple(series), x_domain=(float(edges[0]), float(edges[-1])), y_domain=(0.0, top),
        marks=(point,) if point is not None and edges[0] <= point <= edges[-1] else (),
    )  # fmt: skip
    dashed = f" Dashed: the operating point, {number(point)}." if chart.marks and point is not None else ""
    return Figure(chart=chart, caption=f"{artifact.title}.{dashed}")


def _range(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    low, high = floats(arrays["low"]), floats(arrays["high"])
    x = tuple(i / max(1, len(low) - 1) for i in range(len(low)))
    declared = [meta_number(artifact, key) for key in ("declared_low", "declared_high")]
    limits = tuple(v for v in declared if v is not None)
    unit = str(artifact.meta.get("unit") or "stored value")
    chart = Curve(
        title=artifact.title, x_label="Share of images", y_label=unit,
        series=(Series(name="smallest", shape="line", x=x, y=low),
                Series(name="largest", shape="line", x=x, y=high, ink=2)),
        x_domain=(0, 1), y_domain=padded([*low, *high, *limits]), limits=limits,
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}, each sorted. Dashed: the declared range.")


CURVES: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "roc_curve": _roc, "roc_by_level": _roc_by_level, "reliability_curve": _reliability,
    "calibration_at_horizon": _reliability, "reliability_by_level": _reliability_by_level,
    "operating_curve": _operating, "decision_curve": _decision, "net_benefit_curve": _decision,
    "risk_coverage": _coverage,
    "stored_range": _range, "paired_errors": _paired,
    "bland_altman": _bland_altman, "score_distribution": _steps, "output_spread": _steps,
}  # fmt: skip
