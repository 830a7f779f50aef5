"""Which output is explained, case by case, and how much of it is left on a changed image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ModelCard, NotApplicable, foreground_probability, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """What the model said of n cases, as the thing to be explained; fixed before any image is changed.

    Explained is the logit of the decision: of the class decided for, for a binary model signed towards the decision,
    for a multilabel one that of the finding with the highest score, for a real value the value itself, for a
    segmentation the summed logit of one component: the largest connected one of the pixels that were marked.

    Args:
        card: The model's card.
        index: (n,) output column.
        sign: (n,) -1 where a binary model decided negative, else 1.
        value: (n,) the clean value of a regression, else 0.
        region: (n, *spatial) the component of a segmentation that is explained, else None.
    """

    card: ModelCard
    index: NDArray[np.int64]
    sign: NDArray[np.float64]
    value: NDArray[np.float64]
    region: NDArray[np.bool_] | None = None

    def take(self, rows: NDArray[np.int64] | slice) -> Explained:
        """Return what is explained of some cases."""
        region = None if self.region is None else self.region[rows]
        return replace(self, index=self.index[rows], sign=self.sign[rows], value=self.value[rows], region=region)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) whether there is anything to explain: a segmentation that marked nothing has none."""
        if self.region is None:
            return np.ones(self.index.size, bool)
        out: NDArray[np.bool_] = np.logical_or.reduce(self.region.reshape(len(self.region), -1), axis=1)
        return out

    @property
    def names(self) -> NDArray[np.str_]:
        """(n,) name of the class or finding decided for; empty where there are none."""
        card = self.card
        if card.task == "binary":
            decided = (self.sign > 0).astype(int)
        elif card.task in ("multiclass", "ordinal", "multilabel"):
            decided = self.index
        else:
            return np.full(self.index.size, "")
        known = card.classes or tuple(f"class {i}" for i in range(int(decided.max(initial=0)) + 1))
        return np.array([known[i] for i in decided], dtype=str)

    def tensors(self) -> tuple[Any, ...]:
        """Return what `logit` needs beside the answer, one row a case."""
        import torch

        given = (torch.as_tensor(self.index), torch.as_tensor(self.sign, dtype=torch.float32))
        return given if self.region is None else (*given, torch.as_tensor(self.region, dtype=torch.float32))

    def logit(self, raw: Any, index: Any, sign: Any, region: Any = None) -> Any:
        """Return (m,) explained logits, differentiable in `raw`.

        Args:
            raw: (m, k[, *spatial]) raw outputs, a torch tensor.
            index: (m,) output columns.
            sign: (m,) signs.
            region: (m, *spatial) the explained component.
        """
        card = self.card
        if region is not None:
            z = self._foreground(raw)
            return (z * region).flatten(1).sum(dim=1)
        if card.task == "regression":
            return raw[:, 0]
        if card.task == "binary":
            if raw.shape[1] == 1:
                z = _log_odds(raw[:, 0]) if card.output == "probabilities" else raw[:, 0]
            else:
                z = raw[:, 1] - raw[:, 0] if card.output == "logits" else _log(raw[:, 1]) - _log(raw[:, 0])
            return sign * z
        chosen = raw.gather(1, index[:, None])[:, 0]
        if card.output == "logits":
            return chosen
        return _log_odds(chosen) if card.task == "multilabel" else _log(chosen)

    def strength(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) explained logits in numpy, as `logit` has them; needs no torch.

        Args:
            raw: (n, k[, *spatial]) raw outputs on changed images of the same cases.

        Returns:
            Unbounded; for a regression the value, for a segmentation the sum over the explained component.
        """
        card, rows = self.card, np.arange(len(raw))
        logits = card.output in ("logits", "mask_logits", "value")
        if self.region is not None:
            if raw.shape[1] == 1:
                z = raw[:, 0] if logits else _odds(raw[:, 0])
            else:
                every = raw if logits else _logs(raw)
                z = every[:, 1:].max(axis=1) - every[:, 0]
            out: NDArray[np.float64] = (z * self.region).reshape(len(raw), -1).sum(axis=1)
            return out
        if card.task == "regression":
            return raw[:, 0]
        if card.task == "binary" and raw.shape[1] == 1:
            return self.sign * (raw[:, 0] if logits else _odds(raw[:, 0]))
        if card.task == "binary":
            every = raw if logits else _logs(raw)
            return self.sign * (every[:, 1] - every[:, 0])
        picked: NDArray[np.float64] = raw[rows, self.index]
        if logits:
            return picked
        return _odds(picked) if card.task == "multilabel" else _logs(picked)

    def score(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of the decision an answer still holds.

        Args:
            raw: (m, k[, *spatial]) raw outputs on changed images of the same n cases, once or several times all of
                them one after the other.

        Returns:
            (m,) the probability of the decision, in [0, 1]; for a segmentation its mean over the component; for a real
            value minus the distance from the clean one, in its unit.
        """
        card, n = self.card, self.index.size
        if n and len(raw) > n and len(raw) % n == 0:
            return self.take(np.tile(np.arange(n), len(raw) // n)).score(raw)
        if self.region is not None:
            p, inside = self._foreground_probability(raw), self.region
            axes = tuple(range(1, p.ndim))
            out: NDArray[np.float64] = (p * inside).sum(axis=axes) / np.maximum(inside.sum(axis=axes), 1)
            return out
        every = scores(raw, card)
        if card.task == "regression":
            return -np.abs(every - self.value)
        if card.task == "binary":
            return np.where(self.sign > 0, every, 1 - every)
        picked: NDArray[np.float64] = every[np.arange(len(every)), self.index]
        return picked

    def _foreground(self, raw: Any) -> Any:
        logits = self.card.output == "mask_logits"
        if raw.shape[1] == 1:
            return raw[:, 0] if logits else _log_odds(raw[:, 0])
        every = raw if logits else _log(raw)
        return every[:, 1:].amax(dim=1) - every[:, 0]

    def _foreground_probability(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return foreground_probability(raw, self.card)


def explained_by(raw: NDArray[np.float64], card: ModelCard) -> Explained:
    """Return what is explained of answers on unchanged images.

    Args:
        raw: (n, k[, *spatial]) raw outputs.
        card: The model's card.

    Raises:
        NotApplicable: The task has no output to explain.
    """
    n = len(raw)
    first, up, zero = np.zeros(n, np.int64), np.ones(n), np.zeros(n)
    point = 0.5 if card.operating_point is None or isinstance(card.operating_point, Mapping) else card.operating_point
    if card.task == "segmentation":
        region = largest_component(foreground_probability(raw, card) >= point)
        return Explained(card=card, index=first, sign=up, value=zero, region=region)
    every = scores(raw, card)
    if card.task == "regression":
        return Explained(card=card, index=first, sign=up, value=every)
    if card.task == "binary":
        return Explained(card=card, index=first, sign=np.where(every >= point, 1.0, -1.0), value=zero)
    if card.task in ("multiclass", "ordinal", "multilabel"):
        return Explained(card=card, index=every.argmax(axis=1).astype(np.int64), sign=up, value=zero)
    raise NotApplicable(f"no output to explain is defined for the task {card.task}")


def largest_component(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected component of each mask, the first in scan order among equals.

    Pixels are connected over a side, not over a corner; a mask without pixels stays empty.

    Args:
        marked: (n, *spatial).
    """
    from scipy import ndimage

    out = np.zeros_like(marked)
    for one, mask in zip(out, marked, strict=True):
        labels, count = ndimage.label(mask)
        if count:
            one[labels == 1 + np.bincount(labels.ravel())[1:].argmax()] = True
    return out


def _odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log p - log(1 - p), finite at 0 and 1 of float32, as `_log_odds`."""
    info = np.finfo(np.float32)
    out: NDArray[np.float64] = np.log(np.maximum(p, info.tiny)) - np.log1p(-np.minimum(p, 1 - info.eps / 2))
    return out


def _logs(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log p, finite at 0, as `_log`."""
    out: NDArray[np.float64] = np.log(np.maximum(p, np.finfo(np.float32).tiny))
    return out


def _log_odds(p: Any) -> Any:
    """Return log p - log(1 - p), finite at 0 and 1."""
    import torch

    info = torch.finfo(p.dtype)
    return torch.log(p.clamp_min(info.tiny)) - torch.log1p(-p.clamp_max(1 - info.eps / 2))


def _log(p: Any) -> Any:
    """Return log p, finite at 0."""
    import torch

    return torch.log(p.clamp_min(torch.finfo(p.dtype).tiny))
