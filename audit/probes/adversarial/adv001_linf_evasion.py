"""ADV001: how many answers survive a small change of every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from audit.core import Access, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes.adversarial._evasion import evasion
from audit.probes.adversarial._measures import DESCRIPTIVE, METRICS, SEQUENTIAL, TASKS


class LinfEvasion(Probe):
    """How many answers survive a change of every pixel by at most epsilon.

    What it measures:
        The share of cases that are answered right both as they are and under a white-box attack that may change every
        stored intensity by at most epsilon, for a ladder of epsilons that suits the modality (`robust_accuracy`; for
        a binary model or a finding `robust_sensitivity`, `robust_specificity` and `robust_auc`, for several classes
        the `robust_sensitivity` of each). Cases that are wrong without an attack count as not robust;
        `attack_success` is the share of the right ones that were overturned. A value is right within the declared
        clinical tolerance of the reference; so is a grade, beside the exact one, where a tolerance in grades is
        declared. Each finding of a multilabel model is attacked by itself (`class`), and so is each way in which a
        segmentation can go wrong: `dice` (below 0.5), `erased` (a lesion of the reference shares no pixel with it),
        `invented` (a part of the mask shares none with the reference) and `volume` (off by more than the declared
        tolerance, a share of the reference's; without one its rows say so).

        The attack lowers a margin that exists for every kind of output and does not depend on the scale of the
        logits: one step along the gradient, the worst perturbation of the epsilon before, grown, and from there the
        adaptive projected gradient descent of Croce and Hein, further ones from random starts. A case that still stands
        is tried along the gradient at the place where its answer turns on the way to another case, and at the headline
        epsilon along the mean of 32 gradients around it, where they differ. For each case the worst of all counts,
        verified in float32 on the untouched model within the stored range; a faster copy of the model serves for
        gradients alone. What breaks a case at one epsilon breaks it at every larger one.
        Intensities are perturbed as they reach the model; where the cohort stores integers, `robust_accuracy_stored`
        is the same number when only images of whole steps count, which is what a file can hold.

        At the headline epsilon, `robust_accuracy_gap` is that of each protected level minus all others; beside it stand
        what the changes look like (`visibility_psnr` in dB and `visibility_ssim`, over images that were changed),
        `epsilon_over_noise_sd`, the size as a multiple of the noise measured on this cohort (above 1 it shows), and
        `winning_share`, the share of the overturned cases that each way of attacking broke first.

        The certificate checks the attack itself. `certificate_deterministic`: share of cases that are answered alike
        when asked again (1); where one is not, the mean of eight draws is attacked. `certificate_identity`: size 0
        changes no answer (1). `certificate_bound`: share of worst images that keep to size, range and region, measured
        on the images, as they are and in whole stored steps (1). `certificate_monotone`: sizes at which more cases
        stand than at the one before (0). `certificate_chance`: one-sided 95 % lower bound of the clean share right,
        classes weighing alike, less that of the best constant answer (above 0). `certificate_gradient`: share of the
        cases that are right anyway whose gradient is finite and not zero (at least 0.99).
        `certificate_finite_difference`: share of a sample whose gradient predicts small changes of the margin along
        random directions, to 1 % in float64, or 10 % where the network takes float32 only (at least 0.9).
        `certificate_path`: share of pairs of cases of different answers, eight at most, between which the gradients at
        64 places add up to the difference of the margins, to 10 % (at least 0.8); of masks the height of a pixel is
        followed that is in one mask and not in the other, and where no case is answered otherwise, the way to an
        inverted or even image. It fails where the answer turns on a jump or a saturated step that gradients elsewhere
        do not show. `certificate_descent`: share of right cases whose margin one least step lowers (at least 0.9).
        `certificate_noise`: share right under random signs of the same size minus that under the attack (at least 0).
        `certificate_one_step`: share of a sample that one step breaks and the search alone does not (at most 0.05).
        `certificate_steps`, `certificate_query`: share of a sample that stands at the headline size and falls to twice
        the steps from another start, and to an attack that only asks (at most 0.05 each). `certificate_large_epsilon`:
        with the whole range hardly a case stands (at most 0.05). Where a check fails, the method of each number names
        it with the likely cause, told from the model's answers: random transform, constant answer, saturated output,
        argmax in the graph, quantised input, masked gradient, graph of another function, too few steps.

    Why it matters clinically:
        A model that turns on changes below the noise of the scanner rests on features that no reader sees, and may
        turn on the next protocol, too. A limit that blocks a release needs a threat model: who could alter which
        pixels, where. Without one this is a stress measurement.

    Known problems:
        A robust number is an upper bound, since a stronger attack may break more. Where the certificate fails, the
        lower side of the interval is opened to 0, so that nothing can pass on it; a success is a fact all the same.
        The certificate of a model that no image within the range can turn fails. `robust_auc` pairs the worst answers
        found. The cases are those of a simple random sample of patients within the budget. Constant padding is not
        attacked in CT, MR and ultrasound. On MR, epsilon is measured on the cohort.

        Where a rule says `sequential = true` the attack stops when that is settled: shares then have bounds that hold
        whenever it stops, `robust_auc` has none, and the value lies a little further from the limit than the truth.

    Example:
        `probe = "ADV001"`, `metric = "robust_accuracy"`, `where = { epsilon = "2/255" }`, `limit = { min = 0.6 }`;
        with `where = { parameter = "headline" }` instead, whatever the headline size of the modality is.

    References:
        - Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, ICLR.
        - Carlini et al. 2019, On evaluating adversarial robustness, arXiv:1902.06705.
        - Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
          parameter-free attacks, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV001",
        name="linf-evasion",
        family="ADV",
        version=3,
        tasks=TASKS,
        access=Access.GRADIENT,
        needs=("images",),
        metrics=METRICS,
        descriptive=DESCRIPTIVE,
        sequential=SEQUENTIAL,
        title="Evasion by a small change of every pixel",
        question="Does a change too small to matter overturn the answer?",
        method=(
            "White-box projected gradient descent on a margin, L-infinity in stored units, worst of all attacks for "
            "each case; share right both clean and attacked, Korn-Graubard interval by patient."
        ),
        limits=(
            "An upper bound: a stronger attack may break more. Without a declared threat model it is a stress "
            "measurement."
        ),
        references=(
            "Madry et al. 2018, ICLR", "Carlini et al. 2019, arXiv:1902.06705", "Croce and Hein 2020, ICML",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Attack a sample of the cohort; see `Probe.run`."""
        yield from evasion(ctx, "linf")
