"""Parameters of a change in physical units, drawn once, applied as often as asked, and kept as JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from audit.acquisition._frame import Frame, ImageSpec, field_of, stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Stage = Literal["object", "detector", "reconstruction", "display", "file"]
STAGES: tuple[Stage, ...] = ("object", "detector", "reconstruction", "display", "file")
KINDS: dict[str, type[Parameters]] = {}
SEEDS = 2**32


@dataclass(frozen=True, kw_only=True)
class Parameters(ABC):
    """What a change is made of; a subclass holds its numbers, with their units in their names.

    Noise is drawn from a seed that is one of the numbers, so that equal parameters make equal images.
    """

    stage: ClassVar[Stage]
    whole: ClassVar[bool] = False
    """True where the change moves the edge of the field itself, for example a rotation."""

    def __init_subclass__(cls) -> None:
        KINDS[cls.__name__] = cls

    @abstractmethod
    def change(self, image: Floats, frame: Frame) -> Floats:
        """Return the changed image, neither clipped nor rounded.

        Args:
            image: (channels, *spatial) intensities in stored units.
            frame: How the image is stored.
        """


@dataclass(frozen=True, kw_only=True)
class Change:
    """A knob turned to a severity, with the parameters that were drawn for one image.

    Args:
        knob: The knob's name.
        severity: How far, in the knob's unit; 0 is the identity.
        parameters: What was drawn; None at severity 0.
        frame: How the image is stored.
    """

    knob: str
    severity: float
    parameters: Parameters | None
    frame: Frame

    def to_json(self) -> dict[str, Any]:
        """Return plain values, from which `from_json` makes an equal change."""
        made = self.parameters
        return {
            "knob": self.knob, "severity": self.severity, "frame": _plain(asdict(self.frame)),
            "parameters": None if made is None else {"kind": type(made).__name__, **_plain(asdict(made))},
        }  # fmt: skip

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Change:
        """Return the change that `to_json` wrote.

        Raises:
            ValueError: There are no parameters of that kind.
        """
        made = plain["parameters"]
        return cls(
            knob=plain["knob"], severity=plain["severity"], frame=Frame(**_tuples(plain["frame"])),
            parameters=None if made is None else _parameters(made),
        )  # fmt: skip


def _parameters(plain: Mapping[str, Any]) -> Parameters:
    kind = KINDS.get(plain["kind"])
    if kind is None:
        raise ValueError(f"expected parameters of one of {', '.join(sorted(KINDS))}, got {plain['kind']!r}")
    return kind(**_tuples({k: v for k, v in plain.items() if k != "kind"}))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One way in which an acquisition can differ.

    Args:
        name: `modality_what`, as `[envelope]` names it.
        title: What it is called in reports.
        unit: Unit of the severity.
        amount: What the severity says, in words.
        kind: Class of the parameters.
        draw: From severity, image and generator to parameters.
        ladder: Severities above 0 that are tried where no range in clinical use is declared, rising.
        most: Largest severity that the model can express.
        least: Smallest severity; 0 for a knob that turns one way, below 0 for one that turns both ways.
        volumes: True where it needs planes.
        channels: Numbers of channels that it can change; empty for any.
        noise: True where the noise of the image is measured before parameters are drawn.
        standard: Whether it is tried where nothing is declared.
        formula: The model, in one line.
        approximates: What the model leaves out, in one sentence.
        one_way: Why it only goes one way; empty where it goes both ways.
        references: Sources of the model.
    """

    name: str
    title: str
    unit: str
    amount: str
    kind: type[Parameters]
    draw: Callable[[float, ImageSpec, np.random.Generator], Parameters]
    ladder: tuple[float, ...]
    most: float
    least: float = 0.0
    volumes: bool = False
    channels: tuple[int, ...] = ()
    noise: bool = False
    standard: bool = False
    formula: str
    approximates: str
    one_way: str = ""
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.least > 0 or self.most < 0 or (self.least == 0) != bool(self.one_way):
            raise ValueError(f"{self.name}: a knob turns both ways, or one way for a stated reason")
        missing = [f.name for f in fields(self.kind) if not f.kw_only]
        if missing:
            raise ValueError(f"{self.name}: expected keyword-only parameters, got {missing}")

    @property
    def modality(self) -> str:
        """The modality that it belongs to."""
        return self.name.split("_")[0]

    @property
    def both(self) -> bool:
        """Whether it turns both ways."""
        return self.least < 0

    def fits(self, spec: ImageSpec) -> bool:
        """Return whether an image of this shape can be changed."""
        return not self.lacks(spec)

    def lacks(self, spec: ImageSpec) -> str:
        """Return what an image must have and has not, empty where it can be changed."""
        if self.volumes and not spec.volume:
            return "it needs a volume, and the images are single planes"
        if self.channels and spec.channels not in self.channels:
            wanted = " or ".join(map(str, self.channels))
            return f"it needs {wanted} channels, and the images have {spec.channels}"
        return ""

    def sample(self, severity: float, spec: ImageSpec, rng: np.random.Generator) -> Change:
        """Draw the parameters of one image.

        Args:
            severity: How far, in the knob's unit; 0 is the identity.
            spec: The image.
            rng: Draws what the severity leaves open; equal generators give equal parameters.

        Raises:
            ValueError: The severity is not one that the model can express, or the image lacks what the knob needs.
        """
        if not self.least <= severity <= self.most:
            raise ValueError(f"{self.name}: expected a severity from {self.least} to {self.most}, got {severity}")
        if not self.fits(spec):
            raise ValueError(f"{self.name}: {self.lacks(spec)}")
        made = None if severity == 0 else self.draw(float(severity), spec, rng)
        return Change(knob=self.name, severity=float(severity), parameters=made, frame=spec.frame)


def apply(
    image: NDArray[Any], change: Change | Sequence[Change], *, field: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Return the image as the changed acquisition would have stored it.

    Several changes are made in the order object, detector, reconstruction, display, file; the result is rounded and
    clipped once, at the end. Padding, air and what lies outside the field of view stay as they were, unless a change
    moves the edge of the field itself.

    Args:
        image: (channels, *spatial) stored intensities; not changed.
        change: One change, or several of the same frame.
        field: (*spatial) bool, as `field_of` gives it, where it is known already.

    Returns:
        A new array of the same type and shape; equal bit for bit where every severity is 0.

    Raises:
        ValueError: Several changes are of different frames.
    """
    every = (change,) if isinstance(change, Change) else tuple(change)
    made = [c.parameters for c in every if c.parameters is not None]
    if not made:
        return np.array(image, copy=True)
    if len({c.frame for c in every}) > 1:
        raise ValueError("expected changes of one frame, got several")
    frame = every[0].frame
    where = field_of(image, frame) if field is None else field
    moved, now = False, np.asarray(image, dtype=np.float64)
    for parameters in sorted(made, key=lambda p: STAGES.index(p.stage)):
        after = parameters.change(now, frame)
        moved = moved or parameters.whole
        # Once the edge has moved, the field of the first image is no longer that of this one.
        now = after if moved else np.where(where[None], after, now)
    return stored(now, image, frame, None if moved else where)


def seed_of(rng: np.random.Generator) -> int:
    """Return a seed for noise that is part of the parameters."""
    return int(rng.integers(SEEDS))
