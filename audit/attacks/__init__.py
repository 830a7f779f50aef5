"""Attacks in stored intensity units: objectives for every head, the engine, and the attack's own certificate."""

from audit.attacks._certificate import CHECKS, Certificate, certify
from audit.attacks._engine import Outcome, Plan, attack
from audit.attacks._ladder import Ladder, attack_region, default_ladder, noise_sd, stored_step
from audit.attacks._objectives import (
    DICE_FLOOR,
    BinaryMargin,
    MaskMargin,
    Objective,
    Question,
    RunnerUpMargin,
    ToleranceMargin,
    questions,
)
from audit.attacks._steps import Meter, torchattacks_available

__all__ = [
    "CHECKS", "DICE_FLOOR", "BinaryMargin", "Certificate", "Ladder", "MaskMargin", "Meter", "Objective", "Outcome",
    "Plan", "Question", "RunnerUpMargin", "ToleranceMargin", "attack", "attack_region", "certify", "default_ladder",
    "noise_sd", "questions", "stored_step", "torchattacks_available",
]  # fmt: skip
