"""CONF004 evidence-removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from audit.core import Access, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes.confounding._asked import readings, sampled, setting_of
from audit.probes.confounding._left import left_of_a_class
from audit.probes.confounding._left_of_values import left_of_a_mask, left_of_a_value
from audit.probes.confounding._looked import Looked
from audit.probes.confounding._thumbnails import comparators


class EvidenceRemoved(Probe):
    """Whether the model still knows the answer when the evidence has been taken out of the image.

    What it measures:
        In every case the lesion, its mask dilated by 2 mm, is filled with tissue of the same image. Every control is
        filled as well, with the mask of a case at the place where the case has it; masks of cases are dealt out evenly
        to controls that look alike around that place, and masks of controls, where they have any, to cases. So what is
        filled has the same place and size on both sides, and nothing can be told from it. `auc_without_evidence` is
        the AUC that the model has left: what it knows from elsewhere. `auc_without_evidence_by_dilation` repeats it at
        0 and at 5 mm. Without a declared spacing the lengths are pixels.

        Beside it: `auc_as_it_is` of the same images untouched; `auc_filled_elsewhere` where the same shapes are filled
        off the lesion, which must not cost anything; `control_shift`, the mean change of the score of controls by the
        fill of plain tissue, which must be near 0; and `fill_trace_auc`, with which a small classifier, out of fold by
        patient, tells filled controls from untouched ones. Where that is above 0.7, or cannot be found out, a network
        could use the trace as well: the numbers on filled images are then missing, and the finding is INCONCLUSIVE. The
        same holds where the model's own score tells filled from untouched controls so well. And no bound of
        `auc_without_evidence` is nearer than that of its sum with what filling elsewhere costs, and of its difference
        below: a model that any fill throws off course has lost its AUC for that reason, and does not PASS by it.

        `thumbnail_auc` and `border_auc` are what a linear model reaches out of fold on an 8 x 8 thumbnail and on the
        border of the image alone; `thumbnail_correlation` and `border_correlation` are how closely the model's score
        follows theirs within cases and within controls. The audited model is never shown a thumbnail.

        For a real value and for a grade: `output_after_erasing`, the mean answer, and `slope_without_evidence`, the
        slope on the reference value that is left, beside `slope_as_it_is` and `slope_filled_elsewhere`; two images of
        opposite rank share what is filled. For a segmentation: `volume_in_filled_region`, the share of the reference
        region that the model still marks after the fill, beside `volume_before_filling` and `volume_filled_elsewhere`.
        Their bounds are opened in the same way.

    Why it matters clinically:
        A model that tells disease from health without the lesion has found something else: the ward, the scanner, a
        tube, a second projection. It will be wrong wherever that something does not go with the disease.

    Known problems:
        Disease may show beyond its mask: oedema, a pushed midline, an enlarged heart. Then performance that is left is
        earned, so the limit needs a clinical reason; 0.5 is none. A model may lean the other way, so a rule should also
        ask for a minimum. A weak reading of something else, in a model that mostly reads the lesion, may be drowned by
        the fill unseen, so `control_shift` is worth a look, too. Cases without a mask are left out and counted; beyond
        5 % of them the number is missing. The fill is made of the same image, so a lesion that covers most of it cannot
        be filled, and the check for traces says so. The classifier behind that check is small: a trace that it does not
        find may still be there. A thumbnail shows large lesions, so following it is no fault by itself; and where
        lesions show on it, the comparator learns these, and a model that reads something else there correlates with it
        little: `thumbnail_correlation` alone clears nobody, `auc_without_evidence` beside it does.

    Example:
        AUC is 0.91 as it is, 0.90 with as much filled elsewhere and 0.74 (0.69 to 0.79) without the lesion; the limit
        was 0.60, since one case in ten shows oedema beyond its mask. The model reads the ward's film marker.

    References:
        - Maguolo and Nanni 2021, A critic evaluation of methods for COVID-19 automatic detection from X-ray images,
          Information Fusion 76.
        - DeGrave, Janizek and Lee 2021, AI for radiographic COVID-19 detection selects shortcuts over signal, Nature
          Machine Intelligence 3.
        - Bissoto and others 2019, (De)constructing bias on skin lesion datasets, CVPR Workshops.
        - Pérez, Gangnet and Blake 2003, Poisson image editing, ACM Transactions on Graphics 22.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF004",
        name="evidence-removed",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images", "masks"),
        metrics=(
            "auc_without_evidence", "control_shift", "auc_as_it_is", "auc_filled_elsewhere", "fill_trace_auc",
            "auc_without_evidence_by_dilation", "thumbnail_auc", "thumbnail_correlation", "border_auc",
            "border_correlation", "slope_without_evidence", "slope_as_it_is", "slope_filled_elsewhere",
            "output_after_erasing", "volume_in_filled_region", "volume_before_filling", "volume_filled_elsewhere",
        ),
        descriptive=(
            "auc_as_it_is", "auc_filled_elsewhere", "fill_trace_auc", "auc_without_evidence_by_dilation",
            "thumbnail_auc", "border_auc", "slope_as_it_is", "slope_filled_elsewhere", "volume_before_filling",
            "volume_filled_elsewhere",
        ),
        title="Knowing the answer without the evidence",
        question="Does it still know when the lesion is gone?",
        method=(
            "Lesions are filled with tissue of the same image, controls with masks of cases; AUC of what is left, "
            "Obuchowski on the logit scale, given only where a small classifier cannot see the fill."
        ),
        limits=(
            "Disease may show beyond its mask, and a trace of the fill that the small classifier does not find may "
            "still be there."
        ),
        references=(
            "Maguolo and Nanni 2021, Information Fusion 76",
            "DeGrave, Janizek and Lee 2021, Nature Machine Intelligence 3",
            "Bissoto and others 2019, CVPR Workshops",
            "Pérez, Gangnet and Blake 2003, ACM Transactions on Graphics 22",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Fill a sample of the cohort and ask again; see `Probe.run`."""
        if ctx.card.access < Access.QUERY:
            raise NotApplicable("the model answers for no new image")
        if ctx.cohort.masks is None:
            raise NotApplicable("the cohort has no masks")
        setting = setting_of(ctx)
        cases = sampled(ctx)
        looked = Looked(setting, cases)
        given = readings(ctx)
        if not looked.some:
            raise NotApplicable("every mask is empty: there is no evidence to remove")
        if ctx.card.task == "segmentation":
            return list(left_of_a_mask(looked))
        if given[0].labels is None:
            return [*left_of_a_value(looked, given[0]), *comparators(setting, cases, given)]
        return [
            *(m for reading in given for m in left_of_a_class(looked, reading)),
            *comparators(setting, cases, given),
        ]
