"""The model asked about one shard of cases, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, Cohort, ImagingModel, ModelCard, image_digest
from audit.errors import AuditError, ModelError
from audit.execution._reading import Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BATCHES, _LEAST_SHARDS = 8, 64
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "bad allocation",
              "failed to allocate memory", "bad_alloc")  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What the model said of some cases, in their order.

    Args:
        raw: (m, k) raw outputs, NaN where there are none; k is 0 where no case was answered.
        reasons: (m,) why a case has no answer, None for one that has.
        digests: (m, 32) uint8, sha256 of each image, 0 where none was read.
        batch: Images that were asked about at a time at most.
    """

    raw: NDArray[np.float64]
    reasons: tuple[str | None, ...]
    digests: NDArray[np.uint8]
    batch: int

    def arrays(self) -> Arrays:
        """Return the answers as arrays that can be kept."""
        reasons = np.array(["" if r is None else r for r in self.reasons], dtype=np.str_)
        absent = np.array([r is not None for r in self.reasons], dtype=bool)
        return {"raw": self.raw, "reasons": reasons, "absent": absent, "digests": self.digests,
                "batch": np.array(self.batch)}  # fmt: skip

    @classmethod
    def of(cls, arrays: Arrays) -> Answers:
        """Return the answers that `arrays` gave."""
        reasons = zip(arrays["reasons"].tolist(), arrays["absent"].tolist(), strict=True)
        return cls(
            raw=arrays["raw"], reasons=tuple(str(r) if absent else None for r, absent in reasons),
            digests=arrays["digests"], batch=int(arrays["batch"]),
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Return the answers of several shards as one.

        Raises:
            ModelError: The model gave more outputs for some cases than for others.
        """
        widths = sorted({p.raw.shape[1] for p in parts} - {0}) or [1]
        if len(widths) > 1:
            raise _uneven(widths)
        raw = [p.raw if p.raw.shape[1] else np.full((len(p.raw), widths[0]), np.nan) for p in parts]
        return cls(
            raw=np.concatenate(raw), reasons=tuple(r for p in parts for r in p.reasons),
            digests=np.concatenate([p.digests for p in parts]), batch=min(p.batch for p in parts),
        )  # fmt: skip

    @property
    def seen(self) -> str:
        """Digest of all images that were read, whatever the shards and batches."""
        return hashlib.sha256(self.digests.tobytes()).hexdigest()


def shard_size(count: int, batch: int) -> int:
    """Return how many cases a shard has: whole batches, and some dozens of shards where there are cases enough.

    Args:
        count: Cases in all.
        batch: Cases a batch.
    """
    return batch * min(_MOST_BATCHES, max(1, count // (_LEAST_SHARDS * batch)))


def ask_shard(
    model: ImagingModel, cohort: Cohort, positions: NDArray[np.int64], batch: int, *, reading: Reading | None = None,
    known: Answers | None = None, progress: Callable[[int], None] = lambda done: None,
) -> Answers:  # fmt: skip
    """Ask the model about some cases.

    Args:
        model: The model.
        cohort: The cohort, with images.
        positions: (m,) the cases.
        batch: Cases a batch.
        reading: How the images are read; in step by default.
        known: Answers of an earlier run to the same cases, used for batches that were answered in full and whose images
            are still the same to the bit.
        progress: Told how many cases are done.

    Raises:
        ModelError: The model fails on readable images, or answers in a shape that was not declared.
    """
    place = {int(p): i for i, p in enumerate(positions)}
    rows: dict[int, NDArray[np.float64]] = {}
    reasons: list[str | None] = [None] * len(positions)
    digests = np.zeros((len(positions), 32), dtype=np.uint8)
    done, used = 0, batch
    for read in (reading or Reading(0)).batches(cohort, positions, batch):
        for index, reason in read.failures.items():
            reasons[place[index]] = reason
        at = np.array([place[int(i)] for i in read.kept], dtype=np.int64)
        for i, image in zip(at, read.images, strict=True):
            digests[i] = np.frombuffer(image_digest(image), dtype=np.uint8)
        if known is not None and at.size and _still(known, at, digests[at]):
            rows.update({i: known.raw[i] for i in at.tolist()})
        elif at.size:
            answer, used = _answer(model, read.images, used)
            answered, failed = per_case(model.card, cohort, read.kept, answer)
            rows.update({place[i]: row for i, row in answered.items()})
            for i, reason in failed.items():
                reasons[place[i]] = reason
        done += len(read.kept) + len(read.failures)
        progress(done)
    return _collected(rows, reasons, digests, used)


def _still(known: Answers, at: NDArray[np.int64], digests: NDArray[np.uint8]) -> bool:
    """Return whether all cases of a batch were answered, and their images are the same.

    Why a case had no answer may have passed: a mask that could not be read then may be read now.
    """
    return all(known.reasons[i] is None for i in at.tolist()) and np.array_equal(known.digests[at], digests)


def _collected(
    rows: dict[int, NDArray[np.float64]], reasons: list[str | None], digests: NDArray[np.uint8], batch: int
) -> Answers:
    widths = sorted({len(r) for r in rows.values()}) or [0]
    if len(widths) > 1:
        raise _uneven(widths)
    raw = np.full((len(reasons), widths[0]), np.nan)
    for i, row in rows.items():
        raw[i] = row
    return Answers(raw=raw, reasons=tuple(reasons), digests=digests, batch=batch)


def _uneven(widths: Sequence[int]) -> ModelError:
    # One number would otherwise be spread over all outputs in silence.
    return ModelError(
        "the model gives more outputs for some images than for others", expected="as many for every image",
        got=" and ".join(str(w) for w in widths), fix="return the same outputs whatever the images of a batch",
    )  # fmt: skip


def out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that memory ran out."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(t in text for t in _NO_MEMORY)):
            return True
        error = error.__cause__
    return False


def _answer(model: ImagingModel, images: NDArray[Any], batch: int) -> tuple[NDArray[np.float64], int]:
    """Return answers to a batch and how many images were asked about at a time: fewer where memory runs out."""
    while True:
        try:
            parts = [predict(model, images[i : i + batch]) for i in range(0, len(images), batch)]
        except ModelError as error:
            if batch == 1 or not out_of_memory(error):
                raise
            batch = max(1, min(batch, len(images)) // 2)
        else:
            return parts[0] if len(parts) == 1 else np.concatenate(parts), batch


def predict(model: ImagingModel, images: NDArray[Any]) -> NDArray[np.float64]:
    """Return raw outputs, a row an image.

    Raises:
        ModelError: The model fails, or answers in another shape.
    """
    try:
        answer = np.asarray(model.predict(images), dtype=np.float64)
    except AuditError:
        raise
    except (Exception, SystemExit) as error:  # the model is the user's code: whatever it raises is theirs to read
        raise ModelError(
            "the model failed on a batch of readable images", got=f"{type(error).__name__}: {error}"[:300],
            fix="check [model.input]: size, channels, range and normalise",
        ) from error  # fmt: skip
    if answer.ndim < 2 or len(answer) != len(images):
        raise ModelError(
            "the model answers in another shape than declared", expected=f"({len(images)}, outputs, ...)",
            got=str(answer.shape), fix="return one row of outputs a case",
        )  # fmt: skip
    return answer


def per_case(
    card: ModelCard, cohort: Cohort, kept: NDArray[np.int64], answer: NDArray[np.float64]
) -> tuple[dict[int, NDArray[np.float64]], dict[int, str]]:
    """Return a row of numbers by case, and the reason by case for those that have none."""
    if card.task != "segmentation":
        flat = answer.reshape(len(answer), -1)
        return dict(zip(kept.tolist(), flat, strict=True)), {}
    from audit.execution._masks import mask_row

    rows: dict[int, NDArray[np.float64]] = {}
    failed: dict[int, str] = {}
    for index, logits in zip(kept.tolist(), answer, strict=True):
        row = mask_row(card, cohort, index, logits)
        if isinstance(row, str):
            failed[index] = row
        else:
            rows[index] = row
    return rows, failed
