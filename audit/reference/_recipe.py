"""What the demo's twins share, and the training composition in which alone they differ."""

from dataclasses import dataclass, field

from audit.reference._twins import TITLES
from audit.reference.phantoms import BrainKnobs, Composition

SHIPPED_SEED = 1
AUDIT_COMPOSITION = Composition(male_given_high=0.65, male_given_low=0.35, a_given_high=0.65, a_given_low=0.35)

# Second part of the entropy of a cohort: the planes of one part are never those of another.
TRAINING, VALIDATION, AUDIT = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How every twin is trained.

    Attributes:
        n_training: Training planes.
        n_validation: Planes that set the calibration and the operating point.
        epochs: Passes through the training planes.
        batch: Planes in a step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        lesion_weight: Weight of the loss that points out lesions on the map, against the loss of the label.
        lesion_positive_weight: Weight of a lesion pixel in it against one without lesion.
        epsilon: L-infinity size of the training attack, in units of the stored range (1 = full scale).
        attacked_share: Share of each batch that is attacked.
        clean_until: Share of the steps before the attack starts; lesions are not learnt under attack from the start.
        full_from: Share of the steps after which the attack has its full size.
        knobs: Settings of the phantom.
    """

    n_training: int = 4000
    n_validation: int = 3000
    epochs: int = 6
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    lesion_weight: float = 3.0
    lesion_positive_weight: float = 10.0
    epsilon: float = 0.005
    attacked_share: float = 0.5
    clean_until: float = 0.3
    full_from: float = 0.6
    knobs: BrainKnobs = field(default_factory=BrainKnobs)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """One model of the demo.

    Attributes:
        name: First word of its row in the list of reference models.
        title: What is special about it.
        composition: Of its training planes and of its validation planes.
        defended: Whether it was trained under attack.
    """

    name: str
    title: str
    composition: Composition
    defended: bool = True


TWINS = {
    twin.name: twin
    for twin in (
        Twin(
            name="biased",
            title=TITLES["biased"],
            composition=Composition(male_given_high=0.85, male_given_low=0.35, a_given_high=0.85, a_given_low=0.35),
        ),
        Twin(name="healthy", title=TITLES["healthy"], composition=Composition()),
        Twin(
            name="sex-only",
            title=TITLES["sex-only"],
            composition=Composition(male_given_high=0.85, male_given_low=0.35),
        ),
        Twin(
            name="protocol-only",
            title=TITLES["protocol-only"],
            composition=Composition(a_given_high=0.85, a_given_low=0.35),
        ),
        Twin(name="undefended", title=TITLES["undefended"], composition=Composition(), defended=False),
    )
}
