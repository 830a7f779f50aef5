"""Attribution maps, one value a pixel: by captum where there are gradients, by asking where there are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ImagingModel
from audit.errors import InputError
from audit.explain._attribution_checks import refusal_of_gradients, refusal_of_weights
from audit.explain._attribution_gradients import PATH_STEPS, gradient_maps
from audit.explain._attribution_hooks import hook_maps
from audit.explain._attribution_setup import Part, Setup
from audit.explain._explained import Explained
from audit.explain._methods import AT_THE_IMAGE, BY_GRADIENT, BY_HOOK, BY_QUERY, METHODS, OWN_MAP
from audit.explain._own import OwnMap, as_own_map, own_part
from audit.explain._queries import Queries, query_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """Attribution maps of n cases.

    Args:
        values: (n, *spatial) finite float64 by method, the more the more relevant for the decision; signed but for
            `saliency`, `integrated_gradients_absolute` and `grad_cam`, which are never below 0.
        refused: Why a method that was asked for has no map, by method. A method that is refused on some cases cannot
            be trusted on others either.
        completeness: (n,) relative distance of the sum of a map from the change of the output that it must equal, by
            method (`integrated_gradients`, `deep_lift`, `gradient_shap`); infinite where the output does not change.
        layer: Name of the layer that Grad-CAM looked at, empty where it did not run.
    """

    values: dict[str, NDArray[np.float64]]
    refused: dict[str, str] = field(default_factory=dict)
    completeness: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    layer: str = ""


def attribute(
    model: ImagingModel, images: NDArray[np.float32], explained: Explained, *, methods: Sequence[str],
    rng: np.random.Generator, batch: int, layer: str | None = None, baseline: NDArray[np.float32] | None = None,
    own: OwnMap | Callable[..., Any] | None = None, queries: Queries | None = None, checks: bool = True,
    points: int = PATH_STEPS,
) -> Maps:  # fmt: skip
    """Return attribution maps of the explained logit, each one verified before it is given.

    Channels are summed up. What cannot be verified is refused, with the reason, and has no map: gradients that do not
    agree with finite differences, sums that do not add up to the change of the output, networks whose layers cannot
    be looked into, a network whose weights are not those of its digest.

    Args:
        model: The model; its gradients are those of its preprocessing, too. It is left as it is: methods that look
            into layers work on a copy.
        images: (n, channels, *spatial) stored intensities.
        explained: What is explained of the n cases.
        methods: Names, of `METHODS`.
        rng: Draws the points of gradient SHAP, the masks of RISE, and the directions of the checks.
        batch: Images a batch at most; fewer are taken where memory asks for it.
        layer: Layer of Grad-CAM by its name in the network; None: chosen by the rule of `audit.explain.layer_of`.
        baseline: (n, channels, *spatial) where paths start and what occlusion puts in; None: the blurred images.
        own: The model's own maps, or the function that gives them; None: those that the module gives.
        queries: Windows and masks of the methods that only ask.
        checks: False: skips what does not change from batch to batch (finite differences, digest, agreement of two
            ways); sums are checked all the same. For copies whose weights are changed on purpose, and for batches
            after the first.
        points: Points on the path of integrated gradients; a case whose sum is off gets more.

    Returns:
        Maps of the methods that stand, and why the others do not.

    Raises:
        InputError: A method that is not known.
        MissingExtraError: captum is not installed.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise InputError("no such attribution method", expected=", ".join(METHODS), got=", ".join(unknown))
    if baseline is None:
        from audit.explain._fills import blurred

        baseline = blurred(images, spacing=model.card.input.spacing_mm)
    asked = [name for name in METHODS if name in methods]
    reason = refusal_of_weights(model) if checks else ""
    if reason:
        return Maps(values={}, refused=dict.fromkeys(asked, reason))
    inner = [name for name in asked if name in (*BY_GRADIENT, *BY_HOOK)]
    parts = [_inside(model, images, baseline, explained, inner, rng, batch, layer, checks, points)]
    asks = [name for name in asked if name in BY_QUERY]
    if asks and model.card.access < Access.QUERY:
        parts.append(Part(values={}, refused=dict.fromkeys(asks, "the model cannot be asked")))
    elif asks:
        found = query_maps(model, images, baseline, explained, asks, queries or Queries(), rng, batch)
        parts.append(Part(values=found))
    if OWN_MAP in asked:
        given = as_own_map(own, model)
        parts.append(own_part(given, model, images, explained, baseline, rng, batch=batch, checks=checks))
    return _joined(parts)


def _inside(
    model: Any, images: NDArray[np.float32], baseline: NDArray[np.float32], explained: Explained,
    methods: Sequence[str], rng: np.random.Generator, batch: int, layer: str | None, checks: bool,
    points: int,
) -> Part:  # fmt: skip
    """Return maps of the methods that need gradients."""
    if not methods:
        return Part(values={})
    if model.card.access < Access.GRADIENT:
        return Part(values={}, refused=dict.fromkeys(methods, "the model gives no gradients"))
    setup = Setup(
        model=model, images=images, baseline=baseline, explained=explained, rng=rng, batch=batch, checks=checks,
        points=points,
    )  # fmt: skip
    every, local = refusal_of_gradients(setup) if checks else ("", "")
    refused = {name: every or local for name in methods if every or (local and name in AT_THE_IMAGE)}
    left = [name for name in methods if name not in refused]
    return _merged(
        Part(values={}, refused=refused),
        gradient_maps(setup, [n for n in left if n in BY_GRADIENT]),
        hook_maps(setup, [n for n in left if n in BY_HOOK], layer),
    )


def _merged(*parts: Part) -> Part:
    values: dict[str, NDArray[np.float64]] = {}
    refused: dict[str, str] = {}
    completeness: dict[str, NDArray[np.float64]] = {}
    for part in parts:
        values.update(part.values)
        refused.update(part.refused)
        completeness.update(part.completeness)
    return Part(values=values, refused=refused, completeness=completeness, layer="".join(p.layer for p in parts))


def _joined(parts: Sequence[Part]) -> Maps:
    """Return all maps in the order of `METHODS`; one that is not finite is refused."""
    whole = _merged(*parts)
    refused = dict(whole.refused)
    for name, values in whole.values.items():
        if not np.isfinite(values).all():
            refused[name] = "its map holds values that are no numbers"
    return Maps(
        values={name: whole.values[name] for name in METHODS if name in whole.values and name not in refused},
        refused={name: refused[name] for name in METHODS if name in refused},
        completeness=whole.completeness, layer=whole.layer,
    )  # fmt: skip
