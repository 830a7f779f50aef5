"""The way of the cases into the analysis, and the tables of answers against the reference standard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from audit.core import CLASSIFICATION, ClassView, class_views, scores
from audit.errors import EvidenceError
from audit.pack._anonymity import NOT_SHARED
from audit.pack._blocks import Block, Cell, Document, Drawing, Listing, Table, Text, row
from audit.pack._source import Source
from audit.report.phrases import class_words, ledger, plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH, _LINE = 720, 17


def cohort_flow(source: Source) -> Document:
    """Return the flow diagram and the 2x2 tables by endpoint and subgroup."""
    blocks: list[Block] = [Drawing(svg=flow_diagram(source), title="From the rows of the manifest to the analysis")]
    rows = ledger(source.evidence)
    if rows is not None:
        blocks.append(
            Table(
                caption="Rows of the manifest", head=("step", "rows"), numbers=(1,),
                rows=(row("read", f"{rows.read:,}"),
                      *(row(f"set aside: {why}", f"{n:,}") for why, n in rows.set_aside),
                      row("analysed", f"{rows.used:,}")),
            )
        )  # fmt: skip
    blocks += _tables(source)
    return Document(
        id="cohort-flow", title="Flow of cases, and answers against the reference standard",
        purpose="Shows which cases were eligible, which were set aside and why, and how the answers of those analysed "
        "compare with the reference standard.",
        blocks=tuple(blocks), source=("run/evidence.json", "run/predictions.parquet"),
    )  # fmt: skip


def flow_diagram(source: Source) -> str:
    """Return the flow as SVG; every text in it is escaped."""
    e = source.evidence
    rows = ledger(e)
    if rows is None:
        return _svg(40, _text(8, 24, "The evidence has no row ledger that may be shared."))
    aside = [f"{n:,}  {why}" for why, n in rows.set_aside] or ["none"]
    used = _sized(e.cohort)
    classes = [f"{t.get('class')}: {_sized(t)}" for t in e.cohort.get("targets") or ()]
    parts, y = [], 6
    parts.append(_box(10, y, 290, ["Rows of the manifest", f"{rows.read:,}"]))
    side = [f"Set aside: {rows.aside:,}", *_wrapped(aside)]
    height = _height(side)
    parts.append(_arrow(155, y + _height(["", ""]), 155, y + 70 + height))
    parts.append(_arrow(155, y + 50 + height / 2, 336, y + 50 + height / 2))
    parts.append(_box(340, y + 50, 370, side))
    y += 74 + height
    parts.append(_box(10, round(y), 290, ["Analysed", used]))
    if classes:
        below = ["By the reference standard", *classes]
        parts.append(_arrow(155, y + _height(["", ""]), 155, y + 70))
        parts.append(_box(10, round(y) + 74, 430, below))
        y += 74 + _height(below)
    else:
        y += _height(["", ""])
    return _svg(round(y) + 8, "".join(parts))


def _sized(counts: Mapping[str, Any]) -> str:
    patients = plural(int(counts.get("n_patients") or 0), "patient")
    return f"{plural(int(counts.get('n') or 0), 'case')} of {patients}"


def _wrapped(lines: list[str], most: int = 56, shown: int = 24) -> list[str]:
    import textwrap

    out = [part for line in lines for part in textwrap.wrap(line, most, subsequent_indent="   ") or [""]]
    return [*out[:shown], f"and {len(out) - shown} more lines, in the table"] if len(out) > shown else out


def _height(lines: list[str]) -> int:
    return 16 + _LINE * len(lines)


def _box(x: int, y: float, width: int, lines: list[str]) -> str:
    texts = "".join(
        _text(x + 12, y + 21 + i * _LINE, line, "ink" if i == 0 else "") for i, line in enumerate(lines)
    )  # fmt: skip
    return f'<rect class="box" x="{x}" y="{y:g}" width="{width}" height="{_height(lines)}" rx="6"/>{texts}'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    down = x1 == x2
    head = f"{x2 - 4:g},{y2 - 2:g} {x2 + 4:g},{y2 - 2:g} {x2:g},{y2 + 4:g}"
    if not down:
        head = f"{x2 - 2:g},{y2 - 4:g} {x2 - 2:g},{y2 + 4:g} {x2 + 4:g},{y2:g}"
    line = f'<line class="way" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'
    return f'{line}<polygon class="tip" points="{head}"/>'


def _svg(height: int, content: str) -> str:
    label = "Flow of cases: read, set aside with reasons, analysed, by the reference standard; the same in the table"
    return f'<svg class="flow" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}">{content}</svg>'


def _tables(source: Source) -> list[Block]:
    rows, card = source.stored.clean, source.card
    if card.task not in CLASSIFICATION:
        return [Text(text=f"A table of answers against the reference standard has no meaning for the task {card.task}; "
                          "its errors are in the report.", tone="note")]  # fmt: skip
    found = class_views(scores(rows.raw, card), rows.targets, card)
    blocks: list[Block] = []
    for view in found:
        if view.decisions is None:
            blocks.append(
                Text(text=f"{view.name or 'The model'}: no operating point is declared, so there is no table.")
            )
            continue
        _check(source, view)
        blocks.append(_table(source, view, view.decisions))
    if any(v.decisions is not None for v in found):
        blocks.append(Listing(items=(
            "Counts are cases; patients with several cases are in more than one count. Intervals by patient are in the "
            "report and in the extract for the instructions for use.",
        )))  # fmt: skip
    if rows.ungradable is not None and rows.ungradable.any():
        blocks.append(Text(tone="note", text=(
            "Cases that the model declined and that have a score are counted by it, as in the judged rates; the "
            "intervals of those hold with declined cases counted as failures."
        )))  # fmt: skip
    return blocks


def _table(source: Source, view: ClassView, decided: NDArray[np.bool_]) -> Table:
    negative, positive = class_words(source.evidence)
    what = view.name or f"{positive} against {negative}"
    point = "" if view.operating_point is None else f" at {view.operating_point:g} and above"
    groups = list(_groups(source))
    small = {attribute for attribute, _, inside in groups if _has_few(source, view, inside)}
    return Table(
        caption=f"{what}: answers{point} against the reference standard",
        head=("cases", "true positive", "false negative", "false positive", "true negative", "of these declined",
              "sensitivity", "specificity", "patients"),
        # One small row alone could be told from the others of its attribute.
        rows=tuple(
            _counts(source, name, view, decided, inside) if attribute not in small and "" not in small
            else row(name, *["not shared"] * 8)
            for attribute, name, inside in groups
        ),
        numbers=tuple(range(1, 9)),
    )  # fmt: skip


def _has_few(source: Source, view: ClassView, inside: NDArray[np.bool_]) -> bool:
    """Tell whether the ill or the well of a group are too few to be shared."""
    import numpy as np

    patients = source.stored.clean.patient
    counts = (np.unique(patients[inside & of]).size for of in (view.labels, ~view.labels))
    return any(0 < n < source.shared.least for n in counts)


def _counts(
    source: Source, name: str, view: ClassView, decided: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> tuple[Cell, ...]:
    import numpy as np

    stored = source.stored.clean
    declined = stored.ungradable if stored.ungradable is not None else np.zeros(len(stored), dtype=bool)
    hit, alarm = (int((inside & view.labels & decided).sum()), int((inside & ~view.labels & decided).sum()))
    miss, clear = (int((inside & view.labels & ~decided).sum()), int((inside & ~view.labels & ~decided).sum()))
    none = int((inside & declined).sum())
    refused = f"fewer than {source.shared.least}" if 0 < none < source.shared.least else f"{none:,}"
    patients = np.unique(stored.patient[inside]).size
    return row(name, f"{hit:,}", f"{miss:,}", f"{alarm:,}", f"{clear:,}", refused, _share(hit, hit + miss),
               _share(clear, clear + alarm), f"{patients:,}")  # fmt: skip


def _share(k: int, n: int) -> str:
    return f"{k:,}/{n:,}" if n else "no case"


def _groups(source: Source) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield attribute, name and cases of the whole cohort and of each level of each attribute that may be named."""
    import numpy as np

    stored = source.stored.clean
    yield "", "all", np.ones(len(stored), dtype=bool)
    for a in source.evidence.cohort.get("attributes") or ():
        levels = stored.levels.get(str(a["name"]))
        if levels is None or set(a.get("roles") or ()) == {"repeat"}:
            continue
        listed = [str(v["level"]) for v in a.get("levels") or ()]
        present = set(levels.tolist())
        if present == {NOT_SHARED}:
            continue
        rest = sorted(present - set(listed))
        for level in [*(v for v in listed if v in present), *rest]:
            yield str(a["name"]), f"{a['name']}: {level}", levels == level


def _check(source: Source, view: ClassView) -> None:
    """Check that the table says what the judged sensitivity and specificity say.

    Raises:
        EvidenceError: They differ: predictions and evidence are not of one run.
    """
    wanted = {"class": view.name} if view.name else {}
    if view.decisions is None:
        return
    for metric, of in (("sensitivity", view.labels), ("specificity", ~view.labels)):
        right = view.decisions if metric == "sensitivity" else ~view.decisions
        for m in source.measurements("PERF001", metric):
            same = (
                m.condition.get("class") == wanted.get("class") and not m.subgroup and len(m.condition) == len(wanted)
            )
            if same and m.k is not None and (int(m.k), m.n) != (int((right & of).sum()), int(of.sum())):
                raise EvidenceError(
                    f"predictions and evidence differ in {metric}", expected=f"{m.k:g}/{m.n}",
                    got=f"{int((right & of).sum())}/{int(of.sum())}", fix="take the run from where it was made",
                )  # fmt: skip
