"""The user's training recipe: found, called, checked once for determinism, and its model given the audited card."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, ImagingModel, InputSpec, ModelCard, ModelSpec, Training, TrainingSpec
from audit.errors import AuditError, InputError, ModelError, ReadError
from audit.models._callable import from_callable
from audit.models._network import from_module
from audit.models._objects import LocalModules, find_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

Recipe = Callable[..., Any]
LARGEST_HELD = 2**28
"""Numbers of images that are kept in memory between trainings, 1 GB."""
COMPARED = 64
CLOSE = 1e-5


class RecipeTrainer:
    """Fits a recipe on cases of a development cohort.

    Args:
        recipe: From (images, targets, seed) to a torch module from stored intensities to raw outputs, or to an object
            with `predict(images)`.
        cohort: The development cohort, whose images can all be read.
        card: The audited model's card.
        local: Block in which the recipe is called, so that what it imports late is found.

    Raises:
        InputError: The recipe cannot be called so.
    """

    def __init__(
        self, recipe: Recipe, cohort: Cohort, card: ModelCard, *, local: AbstractContextManager[Any] | None = None
    ) -> None:
        self._recipe, self._cohort, self._local = recipe, cohort, local or nullcontext()
        self._spec, self._weighted = _spec(card), _takes_weights(recipe)
        self._checked, self._learns, self._fault = False, False, ""
        self._held: NDArray[np.float32] | None = None

    @property
    def weighted(self) -> bool:
        """Whether the recipe takes a weight a case."""
        return self._weighted

    def rests_on(self) -> tuple[Any, ...]:
        """Return what its models depend on, beside the cases that they learn from: recipe, cohort, declaration."""
        return self._recipe, self._cohort, self._spec

    def load(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (m, channels, *spatial) stored intensities of some cases."""
        if self._held is None:
            first = self._one(0)
            if first.size * len(self._cohort) > LARGEST_HELD:
                return np.stack([self._one(int(i)) for i in rows])
            self._held = np.stack([self._one(i) for i in range(len(self._cohort))])
        return self._held[rows]

    def _one(self, row: int) -> NDArray[np.float32]:
        source = self._cohort.images
        if source is None:
            raise InputError("the development cohort has no images", fix="name their column in [cohort] image")
        return np.asarray(source.load(row), dtype=np.float32)

    def targets(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of some cases, masks (m, *spatial) for a segmentation."""
        masks = self._cohort.masks
        if self._spec.task == "segmentation" and masks is not None:
            return np.stack([(masks.load(int(i)) > 0).any(axis=0) for i in rows]).astype(np.int64)
        return self._cohort.targets[rows]

    def fit(
        self, images: NDArray[np.float32], targets: NDArray[Any], *, seed: int, weights: NDArray[np.float64] | None
    ) -> ImagingModel:
        """Return the recipe's model; the first one of a run is made twice and must answer alike.

        The first that does not say the same of every image is made a third time, from half of the cases with inverted
        targets, and must then answer otherwise: a recipe that hands out the audited model, or any other that was made
        before, learns nothing.

        Raises:
            ModelError: The recipe fails, gives no model, is not deterministic by its seed, or does not learn.
        """
        if self._fault:
            raise ModelError(self._fault)
        model = self._fit(images, targets, seed, weights)
        if not self._checked:
            self._compare(model, self._fit(images, targets, seed, weights), images[:COMPARED])
            self._checked = True
        if not self._learns:
            self._compare_inverted(model, images, targets, seed, weights)
        return model

    def _fit(self, images: Any, targets: Any, seed: int, weights: Any) -> ImagingModel:
        more = {}
        if weights is not None:
            if not self._weighted:
                raise ModelError(
                    "the recipe takes no weights", expected="a parameter weights", got="none", fix="add weights=None"
                )
            more = {"weights": np.array(weights)}
        try:
            seeded = "torch" in sys.modules
            made = self._called(images, targets, seed, more)
            # A library that the recipe brought along drew from a generator that nobody had seeded.
            if not seeded and "torch" in sys.modules:
                made = self._called(images, targets, seed, more)
            return made
        except AuditError:
            raise
        # The user's own function may raise anything, or leave.
        except (Exception, SystemExit) as error:
            raise ModelError(
                "the training recipe fails", expected=f"a model from {len(images)} cases",
                got=f"{type(error).__name__}: {error}", fix="call it by itself with such images, targets and seed",
            ) from error  # fmt: skip

    def _called(self, images: Any, targets: Any, seed: int, more: dict[str, Any]) -> ImagingModel:
        with self._local, own_generators(seed):
            # Copies, so that a recipe that works in place cannot change what the next one learns from.
            return self._wrapped(self._recipe(np.array(images), np.array(targets), seed, **more))

    def _wrapped(self, made: Any) -> ImagingModel:
        if hasattr(made, "state_dict") and callable(made):
            return from_module(made, replace(self._spec, kind="torch"))
        predict = getattr(made, "predict", None)
        if not callable(predict):
            raise ModelError(
                "the training recipe gives no model", expected="a torch.nn.Module or an object with predict(images)",
                got=type(made).__name__, fix="return the trained model",
            )  # fmt: skip
        return from_callable(predict, replace(self._spec, kind="callable"))

    def _compare(self, first: ImagingModel, second: ImagingModel, images: NDArray[np.float32]) -> None:
        a, b = first.predict(images), second.predict(images)
        apart = float(np.max(np.abs(a - b), initial=0.0))
        if not np.isfinite(a).all():
            self._fault = "the training recipe's model answers NaN or infinity"
        elif apart > CLOSE * max(1.0, float(np.max(np.abs(a), initial=0.0))):
            self._fault = (
                f"the training recipe is not deterministic: two trainings with one seed differ by up to {apart:.3g}"
            )
        if self._fault:
            raise ModelError(self._fault, fix="draw everything from the seed that the recipe is given")

    def _compare_inverted(
        self, model: ImagingModel, images: NDArray[np.float32], targets: NDArray[Any], seed: int, weights: Any
    ) -> None:
        rows = np.arange(0, len(targets), 2)
        said = model.predict(images[:COMPARED])
        if not np.ptp(said, axis=0).any():
            return
        self._learns = True
        try:
            more = None if weights is None else weights[rows]
            inverted = (targets.max(axis=0) + targets.min(axis=0) - targets)[rows]
            other = self._fit(images[rows], inverted, seed, more).predict(images[:COMPARED])
        except ModelError:
            # It makes nothing of such cases, so it looks at them.
            return
        if float(np.max(np.abs(said - other))) <= CLOSE * max(1.0, float(np.max(np.abs(said)))):
            self._fault = "the training recipe does not learn: from other cases it makes the same model"
            raise ModelError(
                self._fault, expected="another model from half of the cases with inverted targets",
                got="equal answers to the same images", fix="train on the images and targets that the recipe is given",
            )  # fmt: skip


def _spec(card: ModelCard) -> ModelSpec:
    """Return the declaration of the recipe's models: the audited one's, but with images as they are stored."""
    plain = InputSpec(
        modality=card.input.modality, unit=card.input.unit, range=card.input.range, size=card.input.size,
        channels=card.input.channels, scale=False, spacing_mm=card.input.spacing_mm,
        orientation=card.input.orientation,
    )  # fmt: skip
    return ModelSpec(
        kind="callable", task=card.task, output=card.output, name=f"{card.name}, trained again", classes=card.classes,
        operating_point=card.operating_point, operating_point_source=card.operating_point_source, input=plain,
        clinical_tolerance=card.clinical_tolerance, horizon=card.horizon, training_rater=card.training_rater,
        operating_point_chosen_on=card.operating_point_chosen_on,
    )  # fmt: skip


def _takes_weights(recipe: Recipe) -> bool:
    if not callable(recipe):
        raise InputError(
            "the training recipe cannot be called", expected="a function of images, targets and seed",
            got=type(recipe).__name__, fix="name a function in [training] recipe",
        )  # fmt: skip
    try:
        named = inspect.signature(recipe)
    except (TypeError, ValueError):
        return False
    try:
        named.bind(None, None, 0)
    except TypeError as error:
        raise InputError(
            "the training recipe takes other arguments", expected="(images, targets, seed)", got=str(named),
            fix="give further parameters a default",
        ) from error  # fmt: skip
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.name == "weights" and p.kind in kinds for p in named.parameters.values())


@contextmanager
def own_generators(seed: int) -> Iterator[None]:
    """Seed the generators of the process for the length of a block, and give them back as they were.

    A recipe may draw from them, and what it draws must neither differ between runs nor change another probe's numbers.

    Args:
        seed: Seed within the block.
    """
    torch = sys.modules.get("torch")
    legacy, plain = np.random.get_state(), random.getstate()  # noqa: NPY002 - the recipe's, not ours
    network = None if torch is None else torch.get_rng_state()
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)
    if torch is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)
        if torch is not None:
            torch.set_rng_state(network)


def make_training(
    recipe: Recipe,
    cohort: Cohort,
    card: ModelCard,
    *,
    audited: Cohort | None = None,
    target: float | None = None,
    seconds: float | None = None,
    name: str = "",
    local: AbstractContextManager[Any] | None = None,
) -> Training:
    """Return what probes may train, from a recipe and a development cohort.

    Args:
        recipe: From (images, targets, seed) to a model; with a parameter `weights` it is given weights of cases, too.
        cohort: The development cohort. Cases whose image cannot be read are set aside.
        card: The audited model's card.
        audited: The audited cohort, with which it must share nobody.
        target: Performance that a training set must be large enough for.
        seconds: What one probe may spend on training; None: what the profile allows.
        name: Name of the recipe.
        local: Block in which the recipe is called.

    Raises:
        InputError: The recipe cannot be called, the cohort has no images, or patients stand in both cohorts.
    """
    if cohort.images is None:
        raise InputError(
            "the development cohort has no images", expected="images to train on", got="none",
            fix="name the column of images in [cohort] image",
        )  # fmt: skip
    if audited is not None:
        check_disjoint(cohort, audited)
    readable = cohort.set_aside([_unreadable(cohort, i) for i in range(len(cohort))])
    if not len(readable):
        raise InputError("no image of the development cohort can be read", fix="correct [training] manifest")
    trainer = RecipeTrainer(recipe, readable, card, local=local)
    said = name or getattr(recipe, "__qualname__", type(recipe).__name__)
    return Training(cohort=readable, trainer=trainer, recipe=said, target=target, seconds=seconds)


def load_training(spec: TrainingSpec, cohort: Cohort, card: ModelCard, root: Path, *, audited: Cohort) -> Training:
    """Return what `[training]` of audit.toml declares.

    Args:
        spec: The declaration.
        cohort: The development cohort, as it was read.
        card: The audited model's card.
        root: The folder of audit.toml; the recipe is looked for there first.
        audited: The audited cohort.

    Raises:
        InputError: As `make_training`.
        ModelError: The recipe cannot be found.
    """
    local = LocalModules(root)
    with local:
        recipe = find_object(spec.recipe)
    return make_training(
        recipe, cohort, card, audited=audited, target=spec.target, seconds=spec.seconds, name=spec.recipe, local=local
    )


def check_disjoint(development: Cohort, audited: Cohort) -> None:
    """Check that no patient stands in the development cohort and in the audited one.

    Raises:
        InputError: Some do, or nobody can tell because only one of the two names its patients.
    """
    if not (development.patient_declared and audited.patient_declared):
        raise InputError(
            "nobody can tell whether the development cohort shares patients with the audited one",
            expected="a column of patients in both", got="none", fix="declare [cohort] patient",
        )  # fmt: skip
    here = set(development.patient_ids[np.unique(development.patients)].tolist())
    # The ids of cases that were set aside, and of those without a reference standard, are among them.
    shared = here & set(audited.patient_ids.tolist())
    if shared:
        raise InputError(
            "patients of the audited cohort stand in the development cohort", expected="none",
            got=f"{len(shared)} of {len(here)} patients of the development cohort",
            fix="take them out of [training] manifest, or out of the audited cohort",
        )  # fmt: skip


def _unreadable(cohort: Cohort, index: int) -> str | None:
    try:
        if cohort.images is not None:
            cohort.images.load(index)
    except ReadError as error:
        return error.problem
    return None
