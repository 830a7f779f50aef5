"""Image content as PNG inside the page: phantoms, or pixels that somebody asked for by name."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import StoredArtifact
from audit.report._numbers import number, whole
from audit.report._words import capital

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_CASES = 4


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture with its name."""

    name: str
    source: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Case:
    """The pictures of one case with its caption."""

    panels: tuple[Panel, ...]
    caption: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Cases side by side."""

    title: str
    cases: tuple[Case, ...]
    more: int

    @property
    def size(self) -> int:
        """Characters that the pictures take in the page."""
        return sum(len(p.source) for c in self.cases for p in c.panels)


def gallery(artifact: StoredArtifact, arrays: Mapping[str, NDArray[Any]]) -> Gallery | None:
    """Return the pictures of an artifact, None where it holds none."""
    if all(np.asarray(v).ndim == 2 for v in arrays.values()):
        arrays = {k: np.asarray(v)[None] for k, v in arrays.items()}
    stacks = {k: _planes(np.asarray(v)) for k, v in arrays.items() if np.asarray(v).ndim in (3, 4, 5)}
    if not stacks:
        return None
    total = min(len(v) for v in stacks.values())
    facts = {k: np.asarray(v) for k, v in arrays.items() if np.asarray(v).ndim == 1 and len(v) == total}
    base = stacks.get("images")
    cases = []
    for i in range(min(total, _MOST_CASES)):
        panels = tuple(
            _panel(name, stack[i], base[i] if base is not None and _is_overlay(name) else None, i)
            for name, stack in sorted(stacks.items(), key=lambda item: item[0] != "images")
        )
        cases.append(Case(panels=panels, caption=_caption(facts, i)))
    return Gallery(title=artifact.title, cases=tuple(cases), more=total - len(cases))


def _planes(stack: NDArray[Any]) -> NDArray[Any]:
    """Return images as they are, of volumes (m, channels, planes, rows, columns) the middle plane."""
    return stack[:, :, stack.shape[2] // 2] if stack.ndim == 5 else stack


def _is_overlay(name: str) -> bool:
    return any(word in name for word in ("overlay", "attribution", "heat"))


def _caption(facts: Mapping[str, NDArray[Any]], i: int) -> str:
    parts = []
    for key, values in facts.items():
        value = values[i]
        if isinstance(value, np.floating) and not np.isfinite(value):
            continue
        shown = number(float(value)) if isinstance(value, np.floating) else str(value)
        parts.append(f"{key.replace('_', ' ')} {shown}")
    return capital(", ".join(parts)) or f"Case {whole(i + 1)}"


def _grey(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return one channel or three as uint8, of other numbers of channels the first; others are stretched to 8 bits."""
    if image.ndim == 3 and image.shape[0] not in (1, 3) and image.shape[-1] not in (1, 3):
        image = image[0]
    array = np.moveaxis(image, 0, -1) if image.ndim == 3 and image.shape[0] in (1, 3) else image
    array = array[..., 0] if array.ndim == 3 and array.shape[-1] != 3 else array
    if array.dtype == np.uint8:
        return np.asarray(array, dtype=np.uint8)
    clean = np.nan_to_num(np.asarray(array, dtype=float))
    low, high = float(clean.min()), float(clean.max())
    return np.asarray((clean - low) / (high - low or 1.0) * 255, dtype=np.uint8)


def _heat(values: NDArray[Any], base: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the image in grey with an amber veil where the values are large."""
    under = _grey(base)
    under = np.repeat(under[..., None], 3, axis=-1) if under.ndim == 2 else under
    strength = np.abs(np.nan_to_num(np.asarray(values, dtype=float)))
    strength = strength.mean(axis=int(np.argmin(strength.shape))) if strength.ndim == 3 else strength
    veil = np.clip(strength / (np.percentile(strength, 99.5) or 1.0), 0, 1)[..., None] * 0.8
    return np.asarray(under * (1 - veil) + np.array([255, 150, 20]) * veil, dtype=np.uint8)


def _panel(name: str, image: NDArray[Any], base: NDArray[Any] | None, place: int) -> Panel:
    from PIL import Image

    rgb_overlay = image.ndim == 3 and image.shape[-1] == 3
    pixels = _heat(image, base) if base is not None and not rgb_overlay else _grey(image)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    words = {"images": "image"}.get(name, name.replace("_", " "))
    return Panel(
        name=words, source="data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(),
        alt=f"{words} of case {place + 1}", width=int(pixels.shape[1]), height=int(pixels.shape[0]),
    )  # fmt: skip
