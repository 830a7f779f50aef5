"""Model, cohort and policy of the demo."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.core import (
    Attribute,
    AttributeSpec,
    Cohort,
    Envelope,
    ImagingModel,
    InputSpec,
    IntendedUse,
    KnobRange,
    Ledger,
    ModelSpec,
    Policy,
    Role,
    ThreatModel,
    digest,
)
from audit.reference._catalogue import read_metadata, weights_path
from audit.reference._needs import needs
from audit.reference._net import lesion_net
from audit.reference._recipe import AUDIT, AUDIT_COMPOSITION, SHIPPED_SEED, Recipe
from audit.reference._training import slices
from audit.reference.phantoms import STORED_MAXIMUM, BrainSlices

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("low", "high")
# The rarest cell (female, protocol B, high) holds 12.25 % of a label: 221 patients of 1,800, 21 of 172.
PER_LABEL = {"smoke": 172, "standard": 1800, "full": 2500}
_SOURCE = "largest smaller of sensitivity and specificity on 3,000 validation planes of the training composition"


@dataclass(frozen=True, kw_only=True)
class DemoBundle:
    """What an audit of the demo needs.

    Attributes:
        model: One of the twins.
        cohort: The cohort that is the same for all twins.
        policy: The policy that is the same for all twins.
        intended_use: What the model would be for.
        threat_model: Against whom it would have to stand.
        envelope: Acquisitions that are varied, and the loss that is tolerated.
    """

    model: ImagingModel
    cohort: Cohort
    policy: Policy
    intended_use: IntendedUse
    threat_model: ThreatModel
    envelope: Envelope


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """Planes that were made.

    A plane takes four times as long to simulate as to be answered, and probes read it again and again: once made, it is
    kept, 18 kB each.
    """

    planes: BrainSlices
    made: dict[int, tuple[NDArray[np.float32], dict[str, NDArray[np.uint8]]]] = field(default_factory=dict, repr=False)

    def plane(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.uint8]]]:
        """Return stored grey levels, (1, size, size), and packed masks by name."""
        found = self.made.get(index)
        if found is None:
            plane = self.planes.plane(index)
            masks = {"lesions": plane.lesions, "distractors": plane.distractors, "brain": plane.brain}
            found = plane.image.astype(np.float32)[None], {k: np.packbits(v) for k, v in masks.items()}
            self.made[index] = found
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Images:
    """Stored grey levels of each case, (1, size, size) float32."""

    kept: _Kept

    def __len__(self) -> int:
        return len(self.kept.planes)

    def load(self, index: int) -> NDArray[np.float32]:
        """Return one plane; see `audit.core.ImageSource`."""
        return self.kept.plane(index)[0].copy()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Masks:
    """Planted lesions or distractors, or the brain, of each case, (1, size, size) uint8."""

    kept: _Kept
    name: str

    def __len__(self) -> int:
        return len(self.kept.planes)

    def load(self, index: int) -> NDArray[np.uint8]:
        """Return one mask; see `audit.core.ImageSource`."""
        image, masks = self.kept.plane(index)
        return np.unpackbits(masks[self.name])[: image.size].reshape(image.shape)


def load_demo(twin: str = "biased", profile: str = "standard") -> DemoBundle:
    """Return everything that an audit of a shipped twin needs; no file of the user's, no network.

    Args:
        twin: One of `list_models`.
        profile: smoke, standard or full: how large the cohort is.

    Raises:
        InputError: There is no twin of this name.
        MissingExtraError: torch or nilearn is not installed.
    """
    return assemble(weights_path(twin), seed=SHIPPED_SEED, profile=profile)


def assemble(weights: Path, *, seed: int, profile: str = "standard") -> DemoBundle:
    """Return the same for any file that `build` wrote.

    Args:
        weights: The file.
        seed: Seed of the audit cohort.
        profile: How large the cohort is.
    """
    return DemoBundle(
        model=demo_model(weights),
        cohort=demo_cohort(seed=seed, per_label=PER_LABEL[profile]),
        policy=demo_policy(),
        intended_use=IntendedUse(
            statement="Phantom demonstration: high or low burden of small lesions on one axial brain plane.",
            role="triage",
        ),
        threat_model=ThreatModel(
            who="whoever handles the file",
            pixels="every stored intensity of the brain, by at most 1 % of its range",
            where="between scanner and model",
        ),
        envelope=demo_envelope(),
    )


def demo_model(weights: Path) -> ImagingModel:
    """Load a twin from its weights; the operating point is the one in their metadata."""
    needs("torch", "torch")
    from safetensors.torch import load_file

    from audit.models import from_module

    about, knobs = read_metadata(weights), Recipe().knobs
    spec = ModelSpec(
        kind="torch",
        task="binary",
        output="logits",
        path=weights.name,
        factory="audit.reference:lesion_net",
        name=f"lesion-burden {about['name']}",
        version=f"seed {about['seed']}",
        classes=CLASSES,
        operating_point=float(about["operating_point"]),
        operating_point_source=_SOURCE,
        input=InputSpec(
            modality="mr",
            unit="grey level",
            range=(0.0, float(STORED_MAXIMUM)),
            size=(knobs.size, knobs.size),
            channels=1,
            spacing_mm=(knobs.pixel_mm, knobs.pixel_mm),
        ),
    )
    net = lesion_net()
    net.load_state_dict(load_file(weights))
    return from_module(net, spec, notes=("phantom: trained on simulated images alone",), phantom=True)


def demo_cohort(*, seed: int = SHIPPED_SEED, per_label: int = PER_LABEL["standard"]) -> Cohort:
    """Return the audit cohort: fixed counts in every sex x protocol x label cell, one plane a patient.

    Args:
        seed: Of the planes; never shared with training or validation planes, whatever the seed.
        per_label: Patients of either label.

    Raises:
        MissingExtraError: nilearn, which holds the anatomy, is not installed.
    """
    needs("nilearn", "reference")
    recipe = Recipe()
    planes = slices(AUDIT_COMPOSITION, n=2 * per_label, seed=seed, part=AUDIT, recipe=recipe)
    kept, n = _Kept(planes=planes), len(planes)
    drawn = [planes.parameters(index) for index in range(n)]
    ids = np.array([f"phantom-{index:05d}" for index in range(n)])
    age = np.array([one.age for one in drawn])
    columns = {
        "sex": np.array([one.sex for one in drawn]),
        "protocol": np.array([one.protocol for one in drawn]),
        "age": np.where(age < 65, "[45, 65)", "[65, 85]"),
    }
    about = {"knobs": asdict(recipe.knobs), "seed": [*planes.seed], "composition": asdict(AUDIT_COMPOSITION), "n": n}
    return Cohort(
        name="brain MRI phantom",
        case_ids=ids,
        patients=np.arange(n, dtype=np.int64),
        patient_ids=ids,
        patient_declared=True,
        targets=np.array([one.label for one in drawn], dtype=np.int64),
        attributes={
            "sex": _attribute("sex", "protected", columns["sex"], also=("confounder",), reason="planted: head size"),
            "protocol": _attribute(
                "protocol", "protocol", columns["protocol"], also=("confounder",), reason="planted: TR, TE, blur, noise"
            ),
            "age": _attribute("age", "covariate", columns["age"], numbers=age, bins=(45.0, 65.0, 85.0), unit="years"),
        },
        images=_Images(kept=kept),
        masks=_Masks(kept=kept, name="lesions"),
        regions=_Masks(kept=kept, name="brain"),
        distractors={"streak or cortical spot": _Masks(kept=kept, name="distractors")},
        ledger=Ledger(read=n, used=n),
        classes=CLASSES,
        design="enriched",
        reference_method="lesions planted by the phantom",
        provenance="simulated from the ICBM 2009a maps that nilearn ships",
        digest=digest(about),
        phantom=True,
        remarks=("phantom: every image is simulated, and no number here says anything of patients",),
        spacing_mm=(recipe.knobs.pixel_mm, recipe.knobs.pixel_mm),
    )


def demo_envelope() -> Envelope:
    """Return the acquisitions that the demo varies; ranges that show how one is declared, not what is in use."""
    source = "chosen for the demonstration, before any twin was tried on it"
    ends = {
        "mr_noise": (0.0, 0.04), "mr_bias": (0.0, 0.2), "mr_contrast": (-0.1, 0.1), "mr_gain": (-0.1, 0.1),
        "mr_resolution": (0.0, 0.2), "mr_motion": (0.0, 1.0), "mr_ghost": (0.0, 0.1),
    }  # fmt: skip
    knobs = {name: KnobRange(low=low, high=high, source=source) for name, (low, high) in ends.items()}
    return Envelope(knobs=knobs, tolerated_drop=0.05)


def demo_policy() -> Policy:
    """Return the policy of the demo, the same for all twins."""
    from audit.config import policy_from

    file = Path(__file__).parent / "policies" / "lesion_burden.toml"
    return policy_from(tomllib.loads(file.read_text(encoding="utf-8")), source=file.name, origin="embedded")


def _attribute(
    name: str,
    role: Role,
    levels: NDArray[np.str_],
    *,
    also: tuple[Role, ...] = (),
    reason: str = "",
    numbers: NDArray[np.float64] | None = None,
    bins: tuple[float, ...] = (),
    unit: str = "",
) -> Attribute:
    spec = AttributeSpec(name=name, role=role, also=also, reason=reason, bins=bins, unit=unit, recorded_by="phantom")
    return Attribute(spec=spec, levels=levels, numbers=numbers)
