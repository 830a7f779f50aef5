"""Writes docs/reference-models/lecture-figures.md from the shipped figures: `python docs/build_lecture_figures.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.reference._files import read_figures
from audit.reference._system import Figure
from audit.reference._systems import all_systems, figures_of

PAGE = Path(__file__).parent / "reference-models" / "lecture-figures.md"
ABSTRACT = "abstract"
HEAD = """# Figures of the lecture beside those of the phantoms

What the lecture prints, or the abstract of the publication behind it says, beside what our reference models reach
on phantom test patients. The two columns are not comparable: one is of patients, the other of simulated images
whose difficulty we chose. They stand side by side so that nobody has to look up what was claimed. Every figure of
ours is one of a phantom, of one training from the shipped seed, with a 95 % interval and its number of patients;
figures over several seeds, and what the phantom says of the claims, are on the pages of the systems. Published
figures that could not be read in the lecture or in an abstract are left out.

Of the regions of perivascular spaces the slide gives an agreement between observers of up to 0.82, the abstract of
up to 0.80; both are quoted as they stand.

| what | published | where | ours (phantom) | patients | model |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of the lecture.

    Attributes:
        what: What it is.
        published: As it is printed.
        where: Slide, or abstract.
        system: The reference model.
        figure: Name of the figure of ours.
    """

    what: str
    published: str
    where: str
    system: str
    figure: str


ROWS = (
    *(
        Row(
            what=f"ICC with an observer, {region}", published=f"{by}; between observers {between}",
            where="slides 61-74",
            system="epvs", figure=f"icc with observer 1, {region}",
        )
        for region, by, between in (
            ("midbrain", "0.75", "0.75"), ("hippocampi", "0.88", "0.82"), ("basal ganglia", "0.82", "0.62"),
            ("centrum semiovale", "0.86", "0.80"),
        )
    ),
    Row(
        what="ICC of scan and rescan, basal ganglia", published="0.93; within rater 0.80", where=ABSTRACT,
        system="epvs",
        figure="scan-rescan icc, basal ganglia",
    ),
    Row(
        what="sensitivity of the map at 1.5 false marks", published="62 %", where=ABSTRACT, system="gp-unet",
        figure="sensitivity at 1.5 false marks a scan, own map",
    ),
    Row(
        what="the same of brightness alone", published="some 20 % lower", where=ABSTRACT, system="gp-unet",
        figure="sensitivity at 1.5 false marks a scan, brightness",
    ),
    Row(
        what="AUC of densitometry for presence", published="0.59 and 0.54", where="slide 89", system="densitometry",
        figure="auc, presence, RA950, own histograms",
    ),
    Row(
        what="densitometry where patterns share a histogram", published="cannot tell them apart",
        where="slides 82-84",
        system="densitometry", figure="auc, centrilobular against paraseptal, RA950, matched histograms",
    ),
    Row(
        what="ICC of GAPNet with intervals, 700 scans", published="0.82 and 0.76", where="slide 89", system="gapnet",
        figure="icc, second observer",
    ),
    Row(
        what="ICC of ProportionNet, 700 scans", published="0.87 and 0.85", where="slide 89", system="proportionnet",
        figure="icc, second observer",
    ),
    Row(
        what="AUC of COPD from texture", published="0.713; by averaging instances 0.742", where=ABSTRACT,
        system="copd-texture", figure="auc",
    ),
    Row(
        what="AUC of COPD from density", published="0.598", where=ABSTRACT, system="copd-texture",
        figure="auc, RA950",
    ),
    Row(
        what="texture over density", published="0.115", where="abstract, a difference of two AUCs",
        system="copd-texture", figure="auc minus that of RA950",
    ),
    Row(
        what="reproducibility of texture", published="as good as that of density", where=ABSTRACT,
        system="copd-texture",
        figure="icc of scan and rescan",
    ),
    Row(
        what="reproducibility of density", published="", where=ABSTRACT, system="copd-texture",
        figure="icc of scan and rescan, RA950",
    ),
    Row(
        what="change of texture with a shallower breath", published="less than that of density", where=ABSTRACT,
        system="copd-texture", figure="change at 15 % less volume, in SD between patients",
    ),
    Row(
        what="the same of density", published="", where=ABSTRACT, system="copd-texture",
        figure="change at 15 % less volume, in SD between patients, RA950",
    ),
    Row(
        what="AUC of future COPD from texture", published="0.6 (p < 0.001)", where="slide 92", system="future-copd",
        figure="auc at 5 years",
    ),
    Row(
        what="AUC of future COPD from density", published="about 0.5 (p > 0.05)", where="slide 92",
        system="future-copd", figure="auc at 5 years, RA950",
    ),
    Row(
        what="texture over density, future COPD", published="not given", where="slide 92", system="future-copd",
        figure="auc at 5 years minus that of RA950",
    ),
    Row(
        what="AUC where men and women are balanced", published="very different from before", where="slide 113",
        system="gender-biased", figure="AUC, balanced test",
    ),
    Row(
        what="error on another protocol", published="less by 40 %, by up to 60 %", where=ABSTRACT,
        system="protocol-transfer", figure="error, target protocol B",
    ),
    Row(
        what="the same without transfer", published="", where=ABSTRACT, system="protocol-source",
        figure="error, target protocol B",
    ),
    Row(
        what="a modality for another", published="better across, kept within", where="slide 110",
        system="modality-invariant", figure="auc, reader of a modality on another",
    ),
    Row(
        what="the same without the three additions", published="", where="slide 110", system="modality-naive",
        figure="auc, reader of a modality on another",
    ),
    Row(
        what="ICC of calcified volume", published="0.98 (0.97 to 0.98)", where="slide 44, abstract",
        system="calcification", figure="ICC of volumes",
    ),
    Row(
        what="sensitivity for calcification (ours by plaque)", published="83.8 %", where=ABSTRACT,
        system="calcification",
        figure="lesion-wise sensitivity",
    ),
    Row(
        what="positive predictive value of it (ours by mark)",
        published="88 %",
        where=ABSTRACT,
        system="calcification",
        figure="lesion-wise positive predictive value",
    ),
    Row(
        what="Dice of calcification",
        published="76.2 %",
        where=ABSTRACT,
        system="calcification",
        figure="Dice",
    ),
)  # fmt: skip


def page() -> str:
    """Return the page's text."""
    shipped = {s.name: figures_of(s) for s in all_systems().values()}
    found = {n: {f.name: f for f in read_figures(p)[1]} for n, p in shipped.items() if p.is_file()}
    lines = []
    for row in ROWS:
        figure = found.get(row.system, {}).get(row.figure)
        n = "" if figure is None else f"{figure.n_patients:,}"
        cells = (row.what, row.published, row.where, _said(figure), n, f"`{row.system}`")
        lines.append("| " + " | ".join(cells) + " |\n")
    return HEAD + "".join(lines)


def _said(figure: Figure | None) -> str:
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return "no figure"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
