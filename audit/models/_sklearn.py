"""Kind `sklearn`: an estimator in a skops file, on flattened prepared images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from audit.core import Access, ModelCard, ModelSpec
from audit.errors import ModelError, UnsafeModelError
from audit.models._declare import check_images, check_input, make_card, model_file, shaped
from audit.models._digest import model_digest
from audit.models._extras import require
from audit.models._network import first_line
from audit.models._pickles import unsafe_globals
from audit.models._prepare import prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

_METHODS = {"probabilities": "predict_proba", "logits": "decision_function", "value": "predict"}
# Types that skops leaves to its caller; the indices of trees are checked below, since their code does not.
TRUSTED = ("sklearn.tree._tree.Tree",)
_PICKLES = (".pkl", ".pickle", ".joblib", ".sav")


class SklearnModel:
    """A scikit-learn estimator that answers flattened, prepared images.

    Args:
        estimator: A fitted estimator.
        spec: The declaration; its output decides between `predict_proba`, `decision_function` and `predict`.

    Raises:
        ModelError: The estimator lacks the method that the declared output needs.
    """

    def __init__(self, estimator: Any, spec: ModelSpec) -> None:
        check_input(spec.input)
        method = _METHODS.get(spec.output)
        if method is None or not hasattr(estimator, method):
            raise ModelError(
                f'the estimator cannot give output = "{spec.output}"', expected=f"an estimator with {method}"
                if method else "logits, probabilities or value", got=type(estimator).__name__,
                fix="correct [model] output",
            )  # fmt: skip
        self._estimator, self._spec, self._method = estimator, spec, method
        self._card = make_card(spec, access=Access.QUERY, digest=self.state_digest())

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities; see `audit.core.ImagingModel.predict`."""
        check_images(images, self._spec.input)
        table = prepare(images, self._spec.input).reshape(len(images), -1)
        try:
            answer = getattr(self._estimator, self._method)(table)
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                "the estimator fails on a batch of images", expected=f"an answer for {tuple(images.shape)}",
                got=first_line(error), fix="check size and channels in [model.input]",
            ) from error  # fmt: skip
        if isinstance(answer, list):
            # One (n, 2) table a finding, as multi-output classifiers give it.
            answer = np.stack([np.asarray(a)[:, -1] for a in answer], axis=1)
        out: NDArray[np.float64] = shaped(np.asarray(answer, dtype=np.float64), images, self._spec)
        return out

    def state_digest(self) -> str:
        """Return the digest of everything that the estimator holds in memory now, and of the declaration."""
        return model_digest(_parts(self._estimator, "", {}), self._spec)


def _parts(value: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield every number, text and array below an object, by its way there."""
    if isinstance(value, np.ndarray) and value.dtype.names is not None:
        # Field by field: the bytes between the fields of a record hold whatever was in memory before.
        for field in value.dtype.names:
            yield from _parts(value[field], f"{path}.{field}", seen)
        return
    if isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{path}|{value.dtype.str}|{value.shape}", value.tobytes()
        return
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic, np.dtype)):
        yield path, repr(value).encode()
        return
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        yield path, f"{value.__module__}.{value.__qualname__}".encode()
        return
    if id(value) in seen:
        return
    # The object itself is kept, so that its id is not given to another one meanwhile.
    seen[id(value)] = value
    yield f"{path}|type", type(value).__qualname__.encode()
    for name, inner in _inside(value):
        yield from _parts(inner, f"{path}/{name}", seen)


def _inside(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(repr(k), value[k]) for k in sorted(value, key=repr)]
    if isinstance(value, (set, frozenset)):
        return [(str(i), v) for i, v in enumerate(sorted(value, key=repr))]
    if isinstance(value, (list, tuple)):
        return [(str(i), v) for i, v in enumerate(value)]
    if isinstance(value, np.ndarray):
        return [(str(i), v) for i, v in enumerate(value.ravel())]
    # What the object itself would hand to a copy: its constructor's arguments and its state.
    reduced = value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return [("global", reduced)]
    return [(str(i), part) for i, part in enumerate(reduced[1:3]) if part is not None]


def load_sklearn(spec: ModelSpec, root: Path) -> SklearnModel:
    """Return the estimator of a skops file; types that skops does not trust are refused.

    Args:
        spec: The declaration, with `path`.
        root: The folder of audit.toml.

    Raises:
        ModelError: The file cannot be read, or the estimator does not fit the declaration.
        UnsafeModelError: A pickle or joblib file, or a skops file with types that are not trusted.
    """
    file = model_file(spec, root)
    if file.suffix.lower() in _PICKLES:
        raise _refuse_pickle(file)
    skops = require("skops.io", "sklearn")
    try:
        unknown = set(skops.get_untrusted_types(file=file)) - set(TRUSTED)
        if unknown:
            raise UnsafeModelError(
                f"{file.name} holds types that could run code; it was refused and nothing of it was run",
                expected="scikit-learn estimators and numpy arrays", got=", ".join(sorted(unknown)[:8]),
                fix="build the estimator from scikit-learn's own parts",
            )  # fmt: skip
        estimator = skops.load(file, trusted=list(TRUSTED))
    except (ValueError, KeyError, TypeError, OSError, AttributeError, ImportError, BadZipFile) as error:
        raise ModelError(
            f"{file.name} is no readable skops file", expected="a file that skops.io.dump wrote",
            got=first_line(error), fix="write it again with the installed scikit-learn",
        ) from error  # fmt: skip
    _check_trees(estimator, file.name, {})
    return SklearnModel(estimator, spec)


def _check_trees(value: Any, name: str, seen: dict[int, Any]) -> None:
    """Check that no decision tree below an object points outside its own nodes or back.

    Raises:
        UnsafeModelError: A tree would read memory that is not its own, or never end.
    """
    simple = (bool, int, float, complex, str, bytes, np.generic, np.dtype, type)
    if value is None or id(value) in seen or isinstance(value, simple) or hasattr(value, "__qualname__"):
        return
    if isinstance(value, np.ndarray) and value.dtype != object:
        return
    seen[id(value)] = value
    if type(value).__name__ == "Tree" and hasattr(value, "children_left"):
        own = np.arange(value.node_count)
        for children in (value.children_left, value.children_right):
            if not np.all((children == -1) | ((children > own) & (children < value.node_count))):
                raise _unsafe_tree(name)
        if np.any((value.children_left == -1) != (value.children_right == -1)) or (
            np.any(value.feature[value.children_left != -1] < 0) or np.any(value.feature >= value.n_features)
        ):
            raise _unsafe_tree(name)
        return
    for _, inner in _inside(value):
        _check_trees(inner, name, seen)


def _unsafe_tree(name: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"{name} holds a decision tree that points outside itself; it was refused", expected="a tree that was fitted",
        got="nodes without an order", fix="write the estimator again with skops.io.dump",
    )  # fmt: skip


def _refuse_pickle(file: Path) -> UnsafeModelError:
    names = unsafe_globals(file)
    return UnsafeModelError(
        f"{file.name} is a pickle, which runs code when it is loaded; it was refused and nothing of it was run",
        expected="a skops file",
        got=f"a pickle that wants {', '.join(names[:4])}" if names else "a pickle",
        fix='load it where you trust it and write it with skops.io.dump(estimator, "model.skops")',
    )
