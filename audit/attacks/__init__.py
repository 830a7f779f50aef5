"""Attacks in stored intensity units: objectives for every head, the engine, and the attack's own certificate.

- `attack(model, question, images, target, *, plan, rng, meter=None) -> Outcome`, images in memory;
- `attack_cases(model, question, Cases(count, images, targets), *, plan, rng, ...) -> Outcome`, a cohort of any length;
- `attack_part(model, question, cases.part(positions), *, plan, seed, ...) -> Outcome`, a part of it;
- `Plan(epsilons, headline, steps, restarts, norm="linf" | "l2" | "l0", search="apgd" | "sign", ...)`;
- `Ball.around(x0, valid, region, norm)` with `project`, `along`, `random`, `step`, `scaled`, `whole`, `size_of`;
- `Meter(forwards, gradients)`;
- `query_attack(model, question, cases, *, plan=QueryPlan(...), rng, ...) -> QueryOutcome`: `predict` alone;
  `query_checks(...) -> Checks`, and `certify_query(...) -> Check` beside an attack with gradients;
- `slopes(forward, objectives, which, x, target)`: margins and their gradients;
- `certify(model, question, outcome, ...) -> Certificate`;
- `extended(model, question, cases, outcome, names, *, plan, rng, meter)`: any attack of torchattacks on top, by name;
- `aims(card)`, `smallest(...)`, `sparse(...)`, `UniversalFit(...)`, `transfer(...)`, `distil(...)`: attacks with
  another aim, and `Checks` of those that have no full certificate.
"""

from audit.attacks._attack import attack, attack_cases, attack_part
from audit.attacks._ball import NORMS, Ball, Norm
from audit.attacks._blind import QUERY_CHECKS, certify_query, query_checks
from audit.attacks._bounds import Bounds
from audit.attacks._case_objectives import CENSORED, CandidateMargin
from audit.attacks._certificate import CHECKS, Certificate, Chance, certify, must_be
from audit.attacks._chance import above_chance
from audit.attacks._controls import CONTROLS, controls
from audit.attacks._converse import Answer, answer_all
from audit.attacks._diagnosis import CAUSES, MASKED, diagnose
from audit.attacks._distil import Student, distil
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
from audit.attacks._minimal import smallest
from audit.attacks._named import CATALOGUE, Refusal, extended, extended_part, known_attacks
from audit.attacks._objectives import (
    BinaryMargin,
    GradeMargin,
    Objective,
    Question,
    RunnerUpMargin,
    ToleranceMargin,
)
from audit.attacks._outcome import ANCHORS, Cases, Meter, Observer, Outcome, Plan
from audit.attacks._path_check import paths_agree
from audit.attacks._query import PHASES, QueryOutcome, QueryPlan, query_attack, query_part
from audit.attacks._questions import questions, unasked
from audit.attacks._regions import Regions
from audit.attacks._slope_check import slopes_agree
from audit.attacks._sound import Check, Checks
from audit.attacks._sparse import sparse, sparse_draws
from audit.attacks._steady import Averaged, steady
from audit.attacks._targeted import Aim, aims
from audit.attacks._transfer import Transferred, transfer, transfer_draws
from audit.attacks._trials import Trial
from audit.attacks._universal import UniversalFit, under

__all__ = [
    "ANCHORS", "CATALOGUE", "CAUSES", "CENSORED", "CHECKS", "CONTROLS", "DICE_FLOOR", "MASKED", "NORMS", "PHASES",
    "QUERY_CHECKS", "Aim", "Answer", "Averaged", "Ball", "BinaryMargin", "Bounds", "CandidateMargin", "Cases",
    "Certificate", "Chance", "Check", "Checks", "ErasedMargin", "GradeMargin", "InventedMargin", "Ladder",
    "MaskMargin", "Meter", "Norm", "Objective", "Observer", "Outcome", "Plan", "QueryOutcome", "QueryPlan", "Question",
    "Refusal", "Regions", "RunnerUpMargin", "Student", "ToleranceMargin", "Transferred", "Trial", "UniversalFit",
    "VolumeMargin",
    "above_chance", "aims", "answer_all", "attack", "attack_cases", "attack_part", "attack_region", "certify",
    "certify_query", "controls", "default_ladder", "diagnose", "distil", "extended", "extended_part", "fast_forward",
    "known_attacks", "lesion_numbers", "must_be", "noise_sd", "paths_agree", "query_attack", "query_checks",
    "query_part", "questions", "slopes", "slopes_agree", "smallest", "sparse", "sparse_draws", "steady", "stored_step",
    "transfer", "transfer_draws", "unasked", "under",
]  # fmt: skip
