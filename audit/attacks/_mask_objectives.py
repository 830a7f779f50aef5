"""What an attack lowers on a segmentation: its Dice, a lesion found, an empty place left empty, its volume."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._objectives import Objective, all_finite, crossing, log_share, threshold_log_odds
from audit.core import ModelCard

if TYPE_CHECKING:
    from numpy.typing import NDArray

DICE_FLOOR = 0.5
"""A segmentation counts as right while its Dice with the reference is at least this."""


def lesion_numbers(masks: NDArray[Any]) -> NDArray[np.int64]:
    """Return reference segmentations with their lesions numbered, as the objectives take them.

    Voxels that touch at a face, an edge or a corner belong to one lesion, as in `audit.metrics.lesion_counts`.

    Args:
        masks: (n, *spatial), 0 outside.

    Returns:
        (n, *spatial), 0 outside, else the lesion's number from 1.
    """
    from scipy.ndimage import label

    near = np.ones((3,) * (masks.ndim - 1))
    return np.stack([label(mask > 0, structure=near)[0] for mask in masks]).astype(np.int64)


def has_lesion(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) which reference segmentations hold anything."""
    out: NDArray[np.bool_] = np.logical_or.reduce(target.reshape(len(target), -1) > 0, axis=1)
    return out


@dataclass(frozen=True, kw_only=True)
class MaskObjective(Objective):
    """An objective on the foreground: a pixel is foreground at the operating point (0.5) or above.

    With several channels, where any but the first has the largest output.

    Args:
        card: The model's card.
    """

    card: ModelCard

    @property
    def _threshold(self) -> float:
        declared = self.card.operating_point
        return 0.5 if declared is None or isinstance(declared, Mapping) else float(declared)

    def height(self, raw: Any) -> Any:
        """Return (n, *spatial) how far each pixel is above the threshold, at least 0 in the foreground.

        Args:
            raw: (n, k, *spatial) raw outputs, a torch tensor.
        """
        if raw.shape[1] == 1:
            return crossing(raw[:, 0], self.card.output, self._threshold)
        every = raw if self.card.output == "mask_logits" else log_share(raw)
        return every[:, 1:].amax(dim=1) - every[:, 0]

    def foreground(self, raw: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (n, *spatial) the predicted mask.

        Args:
            raw: (n, k, *spatial) raw outputs.
        """
        with np.errstate(invalid="ignore"):
            if raw.shape[1] > 1:
                largest: NDArray[np.bool_] = raw.argmax(axis=1) > 0
                return largest
            logits = self.card.output == "mask_logits"
            positive: NDArray[np.bool_] = raw[:, 0] >= (
                threshold_log_odds(self._threshold) if logits else self._threshold
            )
            return positive

    @abstractmethod
    def measure(self, mask: NDArray[np.bool_], reference: NDArray[Any]) -> tuple[float, bool]:
        """Return what is kept of one mask, and whether it is right.

        Args:
            mask: (*spatial) the predicted mask.
            reference: (*spatial) lesion numbers.
        """

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the mask is right; see `Objective.right`."""
        masks = self.foreground(raw)
        found = [self.measure(mask, reference)[1] for mask, reference in zip(masks, target, strict=True)]
        return np.array(found, dtype=bool) & all_finite(raw)

    def keep(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
        """Return (n, 1) the number that decides."""
        masks = self.foreground(raw)
        found = [self.measure(mask, reference)[0] for mask, reference in zip(masks, target, strict=True)]
        return np.array(found, dtype=np.float64)[:, None]


@dataclass(frozen=True, kw_only=True)
class MaskMargin(MaskObjective):
    """Mean margin of the pixels that hold the Dice up: those of the reference, or those outside it.

    Pixels that have flipped clearly no longer count, so that the search goes on to those that have not.

    Args:
        card: The model's card.
        erase: Push the reference region out of the mask, else push its outside in.
        floor: Dice under which the answer no longer counts as right.
    """

    erase: bool
    floor: float = DICE_FLOOR

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the mean margin of one region; see `Objective.margin`."""
        import torch

        z = self.height(raw).flatten(1)
        inside = target.flatten(1) > 0
        empty = ~inside.any(dim=1)
        wanted = inside if self.erase else ~inside
        signed = z if self.erase else -z
        size = wanted.sum(dim=1).clamp_min(1)
        scale = (z.detach().abs() * wanted).sum(dim=1) / size
        held = torch.maximum(signed, -0.1 * scale[:, None])
        averaged = (held * wanted).sum(dim=1) / size
        return torch.where(empty, -z.amax(dim=1), averaged)

    def measure(self, mask: NDArray[np.bool_], reference: NDArray[Any]) -> tuple[float, bool]:
        """Return the Dice, 1 where both are empty and 0 where one is, and whether it reaches the floor."""
        inside = reference > 0
        total = int(mask.sum()) + int(inside.sum())
        dice = 1.0 if total == 0 else 2 * int((mask & inside).sum()) / total
        return dice, dice >= self.floor


@dataclass(frozen=True, kw_only=True)
class ErasedMargin(MaskObjective):
    """What is left of the lesion that is nearest to being lost.

    A lesion is found while the mask shares a pixel with it, as in `audit.metrics.lesion_counts`; its margin is the mean
    height of its pixels above the threshold, counting those above alone, and the highest of them once there is none.
    """

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the least margin of the lesions; see `Objective.margin`."""
        import torch

        z, number = self.height(raw).flatten(1), target.long().flatten(1)
        bins = z.new_zeros((len(z), int(number.max()) + 1))
        size = bins.scatter_add(1, number, torch.ones_like(z))
        left = bins.scatter_add(1, number, z.clamp_min(0)) / size.clamp_min(1)
        top = torch.full_like(bins, -torch.inf).scatter_reduce(1, number, z, "amax")
        margin = torch.where(top > 0, left, top)[:, 1:]
        return margin.masked_fill(size[:, 1:] == 0, torch.inf).amin(dim=1)

    def measure(self, mask: NDArray[np.bool_], reference: NDArray[Any]) -> tuple[float, bool]:
        """Return the share of lesions found, and whether it is all of them.

        Raises:
            ValueError: The reference holds no lesion.
        """
        lesions = int(reference.max())
        if not lesions:
            raise ValueError("expected a reference with a lesion, got an empty one; ask Question.applies first")
        found = np.unique(reference[mask & (reference > 0)]).size
        return found / lesions, found == lesions


@dataclass(frozen=True, kw_only=True)
class InventedMargin(MaskObjective):
    """Room left before a lesion appears that touches none of the reference.

    A part of the mask that shares no pixel with the reference is an invented lesion, of whatever size, as in
    `audit.metrics.lesion_counts`. What grows beside a lesion only makes that one larger, so the search looks at some
    distance from the reference and from what the mask joins to it.
    """

    def margin(self, raw: Any, target: Any) -> Any:
        """Return minus the highest pixel away from the reference; see `Objective.margin`."""
        import torch

        z, inside = self.height(raw), target > 0
        joined = torch.as_tensor(_joined((z >= 0).cpu().numpy(), inside.cpu().numpy()), device=z.device)
        gap = max(2, min(z.shape[1:]) // 8)
        away = ~_widened(joined, gap)
        for nearer in (_widened(joined, 1), inside):
            lacking = ~away.flatten(1).any(dim=1)
            away = torch.where(lacking.view(-1, *(1,) * (z.ndim - 1)), ~nearer, away)
        return -z.masked_fill(~away, -torch.inf).flatten(1).amax(dim=1)

    def measure(self, mask: NDArray[np.bool_], reference: NDArray[Any]) -> tuple[float, bool]:
        """Return how many lesions are invented, and whether it is none."""
        from audit.metrics import lesion_counts

        false = lesion_counts(mask, reference > 0).false
        return float(false), false == 0


def _joined(masks: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return references (n, *spatial) with all parts of the predicted masks that touch them."""
    parts = lesion_numbers(masks)
    return np.stack([i | np.isin(p, np.setdiff1d(p[i], 0)) for p, i in zip(parts, inside, strict=True)])


def _widened(inside: Any, by: int) -> Any:
    """Return masks (n, *spatial) widened by a number of pixels in every direction."""
    import torch

    pool = torch.nn.functional.max_pool2d if inside.ndim == 3 else torch.nn.functional.max_pool3d
    return pool(inside[:, None].float(), 2 * by + 1, stride=1, padding=by)[:, 0] > 0


@dataclass(frozen=True, kw_only=True)
class VolumeMargin(MaskObjective):
    """Room left before the volume leaves the clinical tolerance around the reference's.

    The margin counts pixels softly, on the scale of the outputs themselves; the decision counts them.

    Args:
        card: The model's card.
        tolerance: Largest difference of the volumes that does not matter, as a share of the reference's.
        upward: Make the mask larger, else smaller.
    """

    tolerance: float
    upward: bool

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the room left on the attacked side, as a share of the reference's volume; see `Objective.margin`."""
        import torch

        z = self.height(raw).flatten(1)
        scale = z.detach().abs().mean(dim=1, keepdim=True).clamp_min(torch.finfo(z.dtype).tiny)
        volume = torch.sigmoid(4 * z / scale).sum(dim=1)
        error = volume / (target.flatten(1) > 0).sum(dim=1).clamp_min(1) - 1
        return self.tolerance - (error if self.upward else -error)

    def measure(self, mask: NDArray[np.bool_], reference: NDArray[Any]) -> tuple[float, bool]:
        """Return the signed error of the volume as a share of the reference's, and whether it is tolerable.

        Raises:
            ValueError: The reference is empty.
        """
        volume = int((reference > 0).sum())
        if not volume:
            raise ValueError("expected a reference with a lesion, got an empty one; ask Question.applies first")
        error = int(mask.sum()) / volume - 1
        return error, abs(error) <= self.tolerance
