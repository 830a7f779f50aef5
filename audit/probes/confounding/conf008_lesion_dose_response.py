"""CONF008 lesion-dose-response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Access, Direction, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes.confounding._asked import NO_NUMBER, Reading, Setting, readings
from audit.probes.confounding._dose_numbers import averaged, clean_answers, touched
from audit.probes.confounding._doses import METHOD, Doses, give
from audit.probes.confounding._scenes import LESION, scene_of, stock
from audit.probes.confounding._starting import begin, lacking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ARMS = {LESION: "insert", "erase": "erase"}


class LesionDoseResponse(Probe):
    """Whether the answer rises with every lesion that is put in and falls with every one that is taken out.

    What it measures:
        One, two and three of the cohort's own lesions, usual in size and contrast (within its 5th and 95th centile) and
        from images of the same protocol, are put into tissue that may hold them: the declared region, else where the
        image shows something, clear of what is there already and as much like the lesion's own surroundings as can be
        found. As many of the case's own lesions are taken out. No image gets more lesions than the cohort's 95th
        centile. Each edit stands beside a sham: plain tissue of the same source and shape, put in the same way at the
        same place. `slope` is the change of the answer per lesion minus that of the sham, for putting in and for taking
        out (condition `parameter`: insert, erase), `sham_slope` that of the sham alone, which must be near 0.

        Only an answer with a unit has a slope that can be held against a limit: a real value, the expected grade, and
        of a segmentation the marked volume per volume of lesion. A score has none: there `response_rate` is the share
        of cases whose score moves the right way further than the sham moves it (0.5 for a model that does not see the
        lesion, 1 for one that always does), and `log_odds_slope` and `log_odds_sham_slope` describe. `sham_ratio`, the
        slope of the sham over that of the lesion, is free of units and given for all tasks. For a segmentation
        `detection_rate` is the share of the inserted lesions that its mask touches, less the share of their shams: a
        mask of everything detects nothing.

        Where the manifest says which plane of a volume was read (`annotated_plane`), lesions are also put in that
        plane only (`slope_in_plane`) and off it (`slope_off_plane`); `plane_ratio` is the second over the first, with
        Fieller's interval: 1 for a model that looks at the whole region, 0 for one that looks at that plane only.

    Why it matters clinically:
        A model trained on counts or grades of a whole image is said to count lesions. It may as well weigh the age of
        the patient, or the one plane that its teachers looked at. One more lesion must move it, and nothing else must.

    Known problems:
        Inserted lesions are real ones moved: their place may be one where such lesions are not found. The smaller of
        what the tissue allows and the 95th centile limits the dose. A saturated score does not move any more, and its
        response is then too small. Lesions that touch another are not moved. A case without a mask is left out; beyond
        5 % of the cases there is no number. Where a case has as many lesions as the 95th centile nothing is put in.

    Example:
        The output rises by 0.97 (0.91 to 1.03) for each lesion put in and by 0.01 for its sham, and falls by 0.95 for
        each taken out; off the plane that was read it rises by 0.12 a lesion: `plane_ratio` 0.12, so it counts one
        plane.

    References:
        - Dubost and others 2019, 3D regression neural network for the quantification of enlarged perivascular spaces in
          brain MRI, Medical Image Analysis 51.
        - Chilès and Delfiner 2012, Geostatistics: modeling spatial uncertainty, 2nd edition, Wiley.
        - Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical Society B 16.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF008",
        name="lesion-dose-response",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images", "masks"),
        metrics=(
            "slope", "sham_slope", "response_rate", "sham_ratio", "plane_ratio", "slope_in_plane", "slope_off_plane",
            "detection_rate", "log_odds_slope", "log_odds_sham_slope",
        ),
        descriptive=("log_odds_slope", "log_odds_sham_slope"),
        title="Answer by the number of lesions",
        question="Does every lesion count?",
        method=(
            "The cohort's own lesions put in and taken out one by one, each beside plain tissue handled alike; mean "
            "slope by patient minus that of the sham, ratios by Fieller."
        ),
        limits="Lesions are moved to where they fit, not to where they would arise; a saturated score cannot rise.",
        references=(
            "Dubost and others 2019, Medical Image Analysis 51",
            "Chilès and Delfiner 2012, Geostatistics, 2nd edition, Wiley",
            "Fieller 1954, Journal of the Royal Statistical Society B 16",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Edit a sample of the cohort and ask again; see `Probe.run`."""
        setting, cases = begin(ctx)
        held = stock(setting, cases)
        if not any(kind == LESION and spots for (kind, _), spots in held.spots.items()):
            raise NotApplicable("no lesion of the sampled images stands alone, so that it could be moved")
        scenes = (s for s in (scene_of(setting, c) for c in cases) if s is not None)
        found = give(setting, scenes, (LESION,), held, erase=True)
        planar = {}
        if len(setting.size) == 3 and ctx.cohort.annotated_planes is not None:
            again = (s for s in (scene_of(setting, c) for c in cases) if s is not None)
            planar = give(setting, again, (LESION,), held, erase=False, planes=True)
        clean = clean_answers(setting)
        why = lacking(setting, cases)
        out: list[Measurement] = []
        for reading in readings(ctx):
            for arm, name in ARMS.items():
                out += _arm(setting, reading, found[arm], clean, name, why) if arm in found else []
            out += _planes(setting, reading, planar, clean, why)
        if ctx.card.task == "segmentation":
            out.append(_detected(setting, found[LESION], why))
        _examples(setting, found)
        return out


def _arm(
    setting: Setting, reading: Reading, doses: Doses, clean: Floats, name: str, why: str | None
) -> Iterator[Measurement]:
    from audit.stats import proportion, ratio_of_means

    lesion, sham = doses.slopes(reading, clean)
    extra: dict[str, Scalar] = {"parameter": name}
    net, plain = (averaged(setting, v, doses.cases) for v in (lesion - sham, sham))
    prefix = "" if reading.absolute else "log_odds_"
    ctx, patients = setting.ctx, setting.ctx.cohort.patients[doses.cases]
    unit = f"{reading.unit} a lesion".strip() if setting.ctx.card.task != "segmentation" else ""
    yield _given(setting, reading, net, f"{prefix}slope", "higher", extra, why, unit)
    yield _given(setting, reading, plain, f"{prefix}sham_slope", "zero", extra, why, unit)
    if doses.cases.size and np.isfinite([*lesion, *sham]).all():
        # A tie is no response: a model whose answer never changes responds to nothing.
        responds = proportion(lesion > sham, patients, ctx.levels)
        ratio = ratio_of_means(sham, lesion, patients, ctx.levels)
    else:
        responds = ratio = net
    if not reading.absolute:
        yield _given(setting, reading, responds, "response_rate", "higher", extra, why)
    yield _given(setting, reading, ratio, "sham_ratio", "zero", extra, why)
    _draw(setting, reading, doses, clean, name)


def _planes(
    setting: Setting, reading: Reading, planar: dict[str, Doses], clean: Floats, why: str | None
) -> Iterator[Measurement]:
    from audit.stats import ratio_of_means

    if not planar:
        return
    net = {}
    for arm in ("in plane", "off plane"):
        doses = planar.get(arm, Doses())
        lesion, sham = doses.slopes(reading, clean)
        net[arm] = dict(zip(doses.cases.tolist(), (lesion - sham).tolist(), strict=True))
        metric = "slope_" + arm.replace(" ", "_")
        said = averaged(setting, lesion - sham, doses.cases)
        if reading.absolute:
            yield _given(setting, reading, said, metric, "higher", {}, why, f"{reading.unit} a lesion".strip())
    both = np.array(sorted(set(net["in plane"]) & set(net["off plane"])), dtype=np.int64)
    off, inside = (np.array([net[a][c] for c in both.tolist()]) for a in ("off plane", "in plane"))
    if both.size and np.isfinite([*off, *inside]).all():
        ratio = ratio_of_means(off, inside, setting.ctx.cohort.patients[both], setting.ctx.levels)
    else:
        ratio = Estimate.absent("no case had room for lesions both in and off its annotated plane", method=METHOD)
    yield _given(setting, reading, ratio, "plane_ratio", "higher", {}, why)


def _detected(setting: Setting, doses: Doses, why: str | None) -> Measurement:
    """Return the share of inserted lesions that are touched, less that of plain tissue put at the same places."""
    from audit.stats import mean

    cases, lesion = touched(doses, sham=False)
    _, plain = touched(doses, sham=True)
    patients = setting.ctx.cohort.patients[cases]
    if not cases.size or not np.isfinite([*lesion, *plain]).all():
        said = Estimate.absent(
            NO_NUMBER if cases.size else "no image had room for a lesion", method="none", n=int(cases.size),
            n_patients=int(np.unique(patients).size),
        )  # fmt: skip
    else:
        said = mean(lesion - plain, patients, setting.ctx.levels, support=(-1.0, 1.0))
    reading = Reading(value=lambda r: r[:, 0], score=lambda r: r[:, 0], decide=None)
    return _given(setting, reading, said, "detection_rate", "higher", {}, why)


def _given(
    setting: Setting, reading: Reading, said: Estimate, metric: str, direction: Direction, extra: dict[str, Scalar],
    why: str | None, unit: str = "",
) -> Measurement:  # fmt: skip
    if why is not None:
        said = Estimate.absent(why, method=said.method, n=said.n, n_patients=said.n_patients)
    return Measurement.of(
        said, metric=metric, level=setting.ctx.levels.confidence, direction=direction, unit=unit,
        condition={**reading.condition, **extra},
    )  # fmt: skip


def _draw(setting: Setting, reading: Reading, doses: Doses, clean: Floats, name: str) -> None:
    """Keep the mean change by step, of the edit and of its sham."""
    columns: dict[str, list[float]] = {
        k: [] for k in ("dose", "lesion", "low", "high", "sham", "sham_low", "sham_high")
    }
    n = []
    shams = doses.steps(reading, clean, sham=True)
    for step, (cases, change) in doses.steps(reading, clean, sham=False).items():
        arms = ((cases, change), shams[step])
        said = [averaged(setting, v, c) for c, v in arms]
        # A sham that changes nothing at all has no interval, and is drawn as the line that it is.
        same = [bool(v.size) and np.isfinite(v).all() and np.ptp(v) == 0 for _, v in arms]
        if any(e.value is None and not s for e, s in zip(said, same, strict=True)):
            continue
        columns["dose"].append(step)
        n.append(said[0].n_patients)
        keys = (("lesion", "low", "high"), ("sham", "sham_low", "sham_high"))
        for names, one, (_, values) in zip(keys, said, arms, strict=True):
            middle = float(values.mean()) if one.value is None else one.value
            bounds = one.bounds(setting.ctx.levels.pointwise) or (middle, middle)
            for key, value in zip(names, (middle, *bounds), strict=True):
                columns[key].append(float(value))
    if len(columns["dose"]) < 2:
        return
    about: dict[str, Any] = dict(reading.condition)
    setting.ctx.sink.artifact(
        "dose_response", f"Change of the answer by lesions {'taken out' if name == 'erase' else 'put in'}",
        {**{k: np.array(v) for k, v in columns.items()}, "n_patients": np.array(n)},
        unit=reading.unit, parameter=name, **about,
    )  # fmt: skip


def _examples(setting: Setting, found: dict[str, Doses]) -> None:
    """Keep what was drawn; offer an image before and after, whose pixels are stored for phantoms or on request."""
    low, high = setting.span
    rows = [(name, e) for name, doses in found.items() for e in doses.examples[:1]]
    if rows:
        stacks = [np.stack([e[i] for _, e in rows]) for i in range(3)]
        grey = [np.clip(np.round(255 * (s - low) / (high - low)), 0, 255).astype(np.uint8) for s in stacks]
        names = np.array([ARMS.get(name, name) for name, _ in rows])
        setting.ctx.sink.artifact(
            "dose_examples", "Images, the same with the largest dose, and with its sham",
            {"images": grey[0], "with_edit": grey[1], "with_sham": grey[2], "edit": names}, pixels=True,
        )  # fmt: skip
    drawn = [row for doses in found.values() for row in doses.drawn][:200]
    if drawn:
        setting.ctx.sink.artifact(
            "insertion_parameters", "Where lesions were put, the first of them",
            {
                **{f"at_{a}": np.array([row["at"][a] for row in drawn]) for a in range(len(setting.size))},
                "volume": np.array([row["volume"] for row in drawn]),
                "contrast": np.array([row["contrast"] for row in drawn]),
            },
            unit=setting.grid.unit,
        )  # fmt: skip
