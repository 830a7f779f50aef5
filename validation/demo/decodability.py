"""Whether sex and protocol can be read from a plane: a logistic model on a few plain features, out of sample.

Usage: python validation/demo/decodability.py
"""

import numpy as np
from numpy.typing import NDArray

from audit.reference._recipe import AUDIT, Recipe
from audit.reference._training import slices
from audit.reference.phantoms import Composition


def features(image: NDArray[np.float32]) -> list[float]:
    """Area, extent, brightness, contrast and fine texture of one plane."""
    from scipy.ndimage import binary_erosion, laplace

    brain = image > 0
    inside = image[binary_erosion(brain, iterations=3)]
    rows, columns = np.flatnonzero(brain.any(axis=1)), np.flatnonzero(brain.any(axis=0))
    fine = np.abs(laplace(image)[binary_erosion(brain, iterations=3)])
    return [
        float(brain.sum()),
        float(np.ptp(rows)),
        float(np.ptp(columns)),
        *np.percentile(inside, [2, 10, 25, 50, 75, 90, 98]).tolist(),
        float(inside.std()),
        float(np.median(fine)),
        float(np.percentile(fine, 90)),
        float(np.median(fine) / np.median(inside)),
    ]


def main(n: int = 3000) -> None:
    """Print the AUC of sex and of protocol in the second half of a balanced cohort."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    planes = slices(Composition(), n=n, seed=99, part=AUDIT, recipe=Recipe())
    table = np.array([features(planes.image(index)[0]) for index in range(n)])
    half = n // 2
    for name, positive in (("sex", "male"), ("protocol", "A")):
        truth = np.array([getattr(case, name) == positive for case in planes.cases])
        reader = make_pipeline(
            StandardScaler(), PolynomialFeatures(2), StandardScaler(), LogisticRegression(max_iter=5000)
        )
        reader.fit(table[:half], truth[:half])
        print(f"{name}: AUC {roc_auc_score(truth[half:], reader.predict_proba(table[half:])[:, 1]):.3f} (n {n - half})")


if __name__ == "__main__":
    main()
