"""Attacks in stored intensity units: objectives for every head, the engine, and the attack's own certificate.

- `attack(model, question, images, target, *, plan, rng, meter=None) -> Outcome`, images in memory;
- `attack_cases(model, question, Cases(count, images, targets), *, plan, rng, ...) -> Outcome`, a cohort of any length;
- `Plan(epsilons, headline, steps, restarts, norm="linf" | "l2" | "l0", search="apgd" | "sign", ...)`;
- `Ball.around(x0, valid, region, norm)` with `project`, `along`, `random`, `step`, `scaled`, `whole`, `size_of`;
- `Meter(forwards, gradients)`;
- `slopes(forward, objectives, which, x, target)`: margins and their gradients;
- `certify(model, question, outcome, ...) -> Certificate`.
"""

from audit.attacks._ball import NORMS, Ball, Norm
from audit.attacks._case_objectives import CENSORED, CandidateMargin
from audit.attacks._catalogue import torchattacks_available, torchattacks_pgd
from audit.attacks._certificate import CHECKS, Certificate, certify
from audit.attacks._engine import attack, attack_cases
from audit.attacks._fast import fast_forward
from audit.attacks._gradient import slopes
from audit.attacks._ladder import Ladder, attack_region, default_ladder, noise_sd, stored_step
from audit.attacks._mask_objectives import (
    DICE_FLOOR,
    ErasedMargin,
    InventedMargin,
    MaskMargin,
    VolumeMargin,
    lesion_numbers,
)
from audit.attacks._objectives import (
    BinaryMargin,
    GradeMargin,
    Objective,
    Question,
    RunnerUpMargin,
    ToleranceMargin,
)
from audit.attacks._outcome import Cases, Meter, Observer, Outcome, Plan
from audit.attacks._questions import questions, unasked

__all__ = [
    "CENSORED", "CHECKS", "DICE_FLOOR", "NORMS", "Ball", "BinaryMargin", "CandidateMargin", "Cases", "Certificate",
    "ErasedMargin", "GradeMargin", "InventedMargin", "Ladder", "MaskMargin", "Meter", "Norm", "Objective", "Observer",
    "Outcome", "Plan", "Question", "RunnerUpMargin", "ToleranceMargin", "VolumeMargin", "attack", "attack_cases",
    "attack_region", "certify", "default_ladder", "fast_forward", "lesion_numbers", "noise_sd", "questions", "slopes",
    "stored_step", "torchattacks_available", "torchattacks_pgd", "unasked",
]  # fmt: skip
