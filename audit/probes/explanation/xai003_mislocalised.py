"""XAI003: whether explanations that can be believed point at the lesions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes.explanation._froc import keep_curves
from audit.probes.explanation._localise import localise
from audit.probes.explanation._maps import explainer
from audit.probes.explanation._pointing import HEADLINES, Rows
from audit.probes.explanation._qualify import qualify

_LEAST = 40


class Mislocalised(Probe):
    """Whether explanations that can be believed point at the lesions.

    What it measures:
        On positive cases with a lesion in their mask, the finding of the reference standard is explained, whatever the
        model decided, and the map is held against the lesions. The map's peaks, after a blur of half the hit radius,
        are marks: one within the radius of a lesion is a hit, any other a false mark. `pointing_game` is the share of
        cases whose highest peak hits; `froc_area` the mean share of lesions found at 1/8, 1/4, 1/2, 1, 2, 4 and 8
        false marks a case, with one threshold for the whole cohort; `relevance_mass` the share of what speaks for the
        finding that lies inside lesions. All are over all positives; `..._when_correct` shows those that the model
        found apart. Where targets are classes of findings or values, a positive case is one with a lesion in its mask,
        and what is explained is the class of the reference standard, or the value. The hit radius is 3 mm, at least the
        diagonal of a pixel; without a known spacing 2 % of the shorter side, in pixels, and the rows say so.

        Beside each stands what a map without any knowledge scores: `control_pointing_game` and
        `control_relevance_mass` in closed form for the area of the lesions within the organ (`attribution =
        "chance"`), and all three for a random map, edges, the centre, and the intensity baseline: how far a pixel lies
        from its blurred surroundings, |I - blur(I)|. These controls are told where the organ is; the methods are not.
        `localisation_advantage` is the share of a case's lesions that are found with no, one and two false marks in
        that case, mean over the three, minus that of the closest control, the same network untrained among them: above
        0, the method points at lesions better than every one of them. It is paired by case and clustered by patient,
        and the interval covers the choice of the control. `pointing_advantage` and `mass_advantage` are the same
        differences of the other two.

        Only methods that are sound on this model are measured. On a sample of its own the probe tries every method as
        XAI001 and XAI002 do: one that is not shown to beat every control at deletion, or whose maps are not shown to
        depend on the weights, has no number, and the reason says which: that is a finding about the method. A sound
        method that misses the lesions is a finding about the model: `localisation_advantage` then names the part of
        the image that holds most of the relevance and how far its highest peak lies from the lesion
        (`relevance_distance`, `relevance_in_region`). What CONF005 puts there and takes away shows whether it decides.

        `selftest_localisation` is the advantage of the lesion mask itself, taken as a map. Where even that does not
        beat the controls, because lesions fill the organ or lie at the centre, no method has a number.

    Why it matters clinically:
        "It looks at the lesions" is the usual argument that a model is right for the right reason. A mask that fills
        a third of the organ is hit by chance, bright lesions are found by any measure of brightness, and a map that
        ignores the model finds both. A model that is right for a marker in the corner is right until the marker goes.

    Known problems:
        A model may rightly use more than the lesion, such as what it displaces, and misses the mask then. Peaks are
        compared between cases by how many standard deviations they rise above their map. Lesions that a model cannot
        see separately share a peak. Masks that are drawn generously make hits easier, for the controls as well.
        Explanations of a segmentation are its own mask: not applicable.

    Example:
        `probe = "XAI003"`, `metric = "localisation_advantage"`, `where = { attribution = "integrated_gradients" }`,
        `limit = { min = 0.0 }`.

    References:
        - Zhang et al. 2018, Top-down neural attention by excitation backprop, International Journal of Computer Vision
          126 (pointing game).
        - Arras, Osman and Samek 2022, CLEVR-XAI: a benchmark dataset for the ground truth evaluation of neural network
          explanations, Information Fusion 81.
        - Dubost et al. 2020, Weakly supervised object detection with 2D and 3D regression neural networks, Medical
          Image Analysis 65.
        - Adebayo et al. 2018, Sanity checks for saliency maps, NeurIPS.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI003",
        name="mislocalised",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        access=Access.QUERY,
        needs=("images", "masks"),
        metrics=(
            "localisation_advantage", "froc_area", "pointing_game", "relevance_mass", "pointing_advantage",
            "mass_advantage", "relevance_distance", "relevance_in_region", "localisation_advantage_when_correct",
            "froc_area_when_correct", "pointing_game_when_correct", "relevance_mass_when_correct",
            "control_froc_area", "control_pointing_game", "control_relevance_mass", "selftest_localisation",
        ),
        descriptive=(
            "control_froc_area", "control_pointing_game", "control_relevance_mass", "selftest_localisation",
        ),
        title="Explanations that miss the lesions",
        question="Do its explanations point at the lesions?",
        method=(
            "Peaks of maps of sound methods against lesion masks: lesions found before false marks, minus the closest "
            "of all controls, t interval by patient; FROC area by a patient bootstrap that picks its threshold again."
        ),
        limits=(
            "Says where a sound explanation points, not that the model is right; a method that is not shown to be "
            "sound on this model has no number."
        ),
        references=(
            "Zhang et al. 2018, IJCV 126", "Arras et al. 2022, Information Fusion 81", "Dubost et al. 2020, MedIA 65",
            "Adebayo et al. 2018, NeurIPS",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Hold the maps of sound methods against the lesions; see `Probe.run`."""
        if ctx.cohort.masks is None:
            raise NotApplicable("the cohort has no lesion masks")
        make = explainer(ctx)
        sound = qualify(ctx, make)
        believed = replace(make, methods=tuple(m for m in make.methods if m in sound))
        try:
            found = localise(ctx, believed, limit=_part(ctx.budget.explain_cases))
        except NotApplicable as why:
            # Masks are there and hold nothing: that is no reason to pass a rule on them.
            yield from _absent(ctx, make.methods, why.reason)
            return
        yield from Rows(ctx=ctx, make=make, found=found, sound=sound).all()
        keep_curves(ctx, found, believed.methods)


def _absent(ctx: ProbeContext, methods: Sequence[str], reason: str) -> Iterator[Measurement]:
    for method in methods:
        for metric in HEADLINES:
            yield Measurement.of(
                Estimate.absent(reason, method="none"), metric=metric, level=ctx.levels.confidence, direction="higher",
                condition={"attribution": method},
            )  # fmt: skip


def _part(limit: int | None) -> int | None:
    """Return two fifths of the cases that are explained elsewhere: qualifying the methods costs as much again."""
    return None if limit is None else max(min(limit, _LEAST), limit * 2 // 5)
