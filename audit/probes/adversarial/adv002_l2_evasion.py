"""ADV002: how many answers survive a change of small energy, however it is spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from audit.core import Access, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes.adversarial._evasion import evasion
from audit.probes.adversarial._measures import DESCRIPTIVE, METRICS, SEQUENTIAL, TASKS


class L2Evasion(Probe):
    """How many answers survive a change whose root mean square over the image is at most epsilon.

    What it measures:
        The same as ADV001, with another measure of size: the root mean square of the change over the pixels that may
        be changed, in stored units, so that the attack may leave most pixels alone and alter a few strongly.
        `robust_accuracy` is the share of cases answered right both as they are and under the attack, wrong ones counted
        as not robust, for a ladder of epsilons a quarter of those of ADV001; `robust_sensitivity`,
        `robust_specificity`, `robust_auc` and `attack_success` as there. A change by the same amount everywhere has
        the same size in both probes; one of this ladder that is spread evenly is a quarter as strong.

        The search is that of ADV001 with steps along the gradient instead of its signs. For each case the worst of all
        counts, verified in float32 on the untouched model within the stored range. Where the cohort stores integers,
        `robust_accuracy_stored` counts only images of whole steps, the largest changes first, until the size is used
        up.

        At the headline epsilon, `robust_accuracy_gap` is that of each protected level minus all others; beside it stand
        `visibility_psnr`, `visibility_ssim`, `epsilon_over_noise_sd` and `winning_share`, and for the attack itself the
        certificate, all as in ADV001.

    Why it matters clinically:
        A small lesion is a strong change of few pixels. A model whose answer turns on less energy than a lesion has,
        put where no lesion is, can be misled by an artefact of that size: a bright pixel, a scratch, a clip.

    Known problems:
        At the headline size, a quarter of that of ADV001 as a root mean square, even an undefended linear model may
        stand: a change that is spread evenly reaches a quarter as far. So standing here alone is no robustness, and a
        rule on this probe belongs beside one on ADV001. Otherwise those of ADV001: an upper bound, since a stronger
        attack may break more; where the certificate fails the lower side of the interval is opened to 0. The root mean
        square does not tell few strong changes from many weak ones, so that the same epsilon may be invisible in one
        image and plain in another; `visibility_ssim` tells more. The larger the image, the more a given epsilon allows
        in one place.

    Example:
        `probe = "ADV002"`, `metric = "robust_accuracy"`, `where = { parameter = "headline" }`, `limit = { min = 0.6 }`.

    References:
        - Carlini and Wagner 2017, Towards evaluating the robustness of neural networks, IEEE Symposium on Security and
          Privacy.
        - Carlini et al. 2019, On evaluating adversarial robustness, arXiv:1902.06705.
        - Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
          parameter-free attacks, ICML.
        - Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, IEEE Transactions
          on Image Processing 13.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV002",
        name="l2-evasion",
        family="ADV",
        tasks=TASKS,
        access=Access.GRADIENT,
        needs=("images",),
        metrics=METRICS,
        descriptive=DESCRIPTIVE,
        sequential=SEQUENTIAL,
        title="Evasion by a change of small energy",
        version=2,
        question="Does a change of little energy, wherever it is put, overturn the answer?",
        method=(
            "White-box projected gradient descent on a margin, root mean square in stored units, worst of all attacks "
            "for each case; share right both clean and attacked, Korn-Graubard interval by patient."
        ),
        limits=(
            "An upper bound: a stronger attack may break more. Without a declared threat model it is a stress "
            "measurement."
        ),
        references=("Carlini and Wagner 2017, IEEE S&P", "Carlini et al. 2019, arXiv:1902.06705",
                    "Croce and Hein 2020, ICML"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Attack a sample of the cohort; see `Probe.run`."""
        yield from evasion(ctx, "l2")
