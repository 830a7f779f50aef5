"""Texture classifiers of the lung phantom: a filter bank, and a linear model or nearest neighbours on it.

Built after Sorensen and others 2012 (texture from a multi-scale Gaussian filter bank in regions of the lung, nearest
neighbours, the mean over regions); the filters, moments and neighbours are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SCALES = (0.6, 1.2, 2.4)
CENTRE = -860.0
NEIGHBOURS = 25
CHUNK = 512
TINY = 1e-6


def filter_bank(images: NDArray[np.float32]) -> Floats:
    """Return moments of filtered regions.

    Args:
        images: (n, regions, size, size) HU.

    Returns:
        (n, 27): mean, log variance and skewness over the pixels of all regions of smoothed density, gradient magnitude
        and Laplacian, each at three scales.
    """
    return np.concatenate([_moments(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)])


def _moments(images: NDArray[np.float32]) -> Floats:
    from scipy import fft

    size, found = images.shape[-1], []
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    square = (rows**2 + columns**2).astype(np.float32)
    down, right = (2j * np.pi * rows).astype(np.complex64), (2j * np.pi * columns).astype(np.complex64)
    spectrum = fft.rfft2((images - CENTRE).astype(np.float32))
    for scale in SCALES:
        smooth = spectrum * np.exp(-2 * (np.pi * scale) ** 2 * square).astype(np.float32)
        gradient = np.hypot(_back(smooth * right, size), _back(smooth * down, size))
        for field in (_back(smooth, size), gradient, _back(smooth * (-((2 * np.pi) ** 2) * square), size)):
            flat = field.reshape(len(images), -1)
            mean = flat.mean(axis=1)
            apart = flat - mean[:, None]
            variance = np.einsum("ij,ij->i", apart, apart) / flat.shape[1] + TINY
            third = np.einsum("ij,ij,ij->i", apart, apart, apart) / flat.shape[1]
            found += [mean, np.log(variance), third / variance**1.5]
    return np.stack(found, axis=1).astype(np.float64)


def _back(spectrum: NDArray[Any], size: int) -> NDArray[np.float32]:
    from scipy import fft

    out: NDArray[np.float32] = fft.irfft2(spectrum, s=(size, size))
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class TextureModel:
    """A classifier of the filter bank's moments.

    Args:
        fitted: From scikit-learn.
        mean: (27,) of the training moments.
        scale: (27,) their standard deviations.
        by_region: Each region is classified by itself, and the mean is the answer.
    """

    fitted: Any
    mean: Floats
    scale: Floats
    by_region: bool = False

    def predict(self, images: NDArray[np.float32]) -> Floats:
        """Return (n, 1) logits of disease."""
        n, regions = images.shape[:2]
        cut = _regions(images) if self.by_region else images
        moments = (filter_bank(cut) - self.mean) / self.scale
        if not self.by_region:
            said: Floats = self.fitted.decision_function(moments)
            return said[:, None]
        share = self.fitted.predict_proba(moments)[:, 1].reshape(n, regions).mean(axis=1)
        # Half a neighbour keeps the logit finite where all agree.
        least = 0.5 / (NEIGHBOURS * regions)
        held = np.clip(share, least, 1 - least)
        return np.asarray(np.log(held / (1 - held)))[:, None]


def _regions(images: NDArray[np.float32]) -> NDArray[np.float32]:
    return images.reshape(-1, 1, *images.shape[2:])


def linear_recipe(
    images: NDArray[np.float32], targets: NDArray[Any], seed: int, weights: Floats | None = None
) -> TextureModel:
    """Train a logistic regression on the moments of whole scans; a recipe as `[training]` takes it.

    Args:
        images: (n, regions, size, size) HU.
        targets: (n,) 1 for disease.
        seed: Not used; nothing is drawn.
        weights: (n,) weights of the scans.
    """
    from sklearn.linear_model import LogisticRegression

    del seed
    moments = filter_bank(images)
    mean, scale = moments.mean(axis=0), moments.std(axis=0) + TINY
    made = LogisticRegression(C=100.0, max_iter=2000).fit((moments - mean) / scale, targets, sample_weight=weights)
    return TextureModel(fitted=made, mean=mean, scale=scale)


def neighbours_recipe(images: NDArray[np.float32], targets: NDArray[Any], seed: int) -> TextureModel:
    """Train nearest neighbours on the moments of single regions, each with the label of its scan (a weak label).

    Args:
        images: (n, regions, size, size) HU.
        targets: (n,) 1 for disease.
        seed: Not used; nothing is drawn.
    """
    from sklearn.neighbors import KNeighborsClassifier

    del seed
    moments = filter_bank(_regions(images))
    mean, scale = moments.mean(axis=0), moments.std(axis=0) + TINY
    made = KNeighborsClassifier(NEIGHBOURS).fit((moments - mean) / scale, np.repeat(targets, images.shape[1]))
    return TextureModel(fitted=made, mean=mean, scale=scale, by_region=True)
