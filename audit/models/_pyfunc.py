"""An MLflow python_function: its own code loads and answers, so that it can only be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ModelCard, ModelSpec
from audit.errors import ModelError
from audit.models._declare import check_images, check_input, make_card, shaped
from audit.models._digest import model_digest
from audit.models._extras import require
from audit.models._prepare import prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOTE = "a python_function: code that came with it was run, and the digest stands for its files and the declaration"


class PyfuncModel:
    """A python_function that answers prepared images.

    Args:
        folder: Holds `MLmodel`.
        spec: The declaration.
        digest: sha256 over its files.

    Raises:
        ModelError: Its code fails when it is loaded.
    """

    def __init__(self, folder: Path, spec: ModelSpec, digest: str) -> None:
        check_input(spec.input)
        pyfunc = require("mlflow.pyfunc", "mlflow")
        try:
            self._model = pyfunc.load_model(str(folder))
        # Code of a stranger may raise anything, or leave.
        except (Exception, SystemExit) as error:
            raise ModelError(
                "the python_function cannot be loaded", expected="a model that loads with what is installed here",
                got=f"{type(error).__name__}: {error}"[:200], fix="install what it was logged with",
            ) from error  # fmt: skip
        self._spec, self._files = spec, digest
        self._card = make_card(spec, access=Access.QUERY, digest=self.state_digest(), notes=(_NOTE,))

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities; see `audit.core.ImagingModel.predict`."""
        check_images(images, self._spec.input)
        try:
            answer = self._model.predict(prepare(images, self._spec.input))
            values = np.asarray(answer.to_numpy() if hasattr(answer, "to_numpy") else answer)
            if values.dtype.kind not in "fiu":
                raise TypeError(f"{values.dtype}, no numbers")
        # Code of a stranger may raise anything, or leave.
        except (Exception, SystemExit) as error:
            raise ModelError(
                "the python_function fails on a batch of images", expected=f"an answer for {tuple(images.shape)}",
                got=f"{type(error).__name__}: {error}"[:200], fix="compare [model.input] with its signature",
            ) from error  # fmt: skip
        out: NDArray[np.float64] = shaped(values.astype(np.float64), images, self._spec)
        return out

    def state_digest(self) -> str:
        """Return the digest of its files and of the declaration."""
        return model_digest([("files", self._files.encode())], self._spec)
