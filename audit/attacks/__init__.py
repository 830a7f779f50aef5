"""Attacks in stored intensity units: objectives for every head, the engine, and the attack's own certificate."""

from audit.attacks._case_objectives import CENSORED, CandidateMargin
from audit.attacks._certificate import CHECKS, Certificate, certify
from audit.attacks._engine import Outcome, Plan, attack
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
from audit.attacks._questions import questions, unasked
from audit.attacks._steps import Meter, torchattacks_available

__all__ = [
    "CENSORED", "CHECKS", "DICE_FLOOR", "BinaryMargin", "CandidateMargin", "Certificate", "ErasedMargin",
    "GradeMargin", "InventedMargin", "Ladder", "MaskMargin", "Meter", "Objective", "Outcome", "Plan", "Question",
    "RunnerUpMargin", "ToleranceMargin", "VolumeMargin", "attack", "attack_region", "certify", "default_ladder",
    "lesion_numbers", "noise_sd", "questions", "stored_step", "torchattacks_available", "unasked",
]  # fmt: skip
