"""The model's own maps: attention, a class map, a part of the network that was built to explain it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ImagingModel
from audit.explain._attribution_setup import CHECKED, Part
from audit.explain._explained import Explained
from audit.explain._methods import OCCLUSION, OWN_MAP
from audit.explain._queries import AskedOnce, query_maps, windows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

ATTENTION = "attention_map"
"""Method of a network that gives its own maps: from prepared images to (n, *spatial) or (n, outputs, *spatial)."""
COMPARED = 16
"""Cases on which a model's own map is held against occlusion."""
_LEAST_CASES = 4
_PLANES = 4
"""Axes of a batch of planes."""
_TOGETHER = 2**16
"""Values of a batch of volumes: the memory of larger ones is asked for anew at every question."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMap:
    """Maps that come with the model.

    Args:
        function: From (n, channels, *spatial) stored intensities, and from the model where it takes a second argument
            `model`, to maps (n, *spatial), or (n, outputs, *spatial) with one map an output.
        name: What it is called.
        digest: Digest of the weights that its maps are computed on, where it says so itself.
        inside: True: it is a part of the audited model.
    """

    function: Callable[..., Any]
    name: str = ATTENTION
    digest: str = ""
    inside: bool = False


def as_own_map(given: OwnMap | Callable[..., Any] | None, model: Any) -> OwnMap | None:
    """Return what was given as own maps: a function with its name and its `digest`, if any; else the module's."""
    if given is None or isinstance(given, OwnMap):
        return given or own_map_of(model)
    name = str(getattr(given, "__name__", type(given).__name__))
    return OwnMap(function=given, name=name, digest=str(getattr(given, "digest", "")))


def own_map_of(model: Any) -> OwnMap | None:
    """Return the map that a torch network gives by its method `attention_map`, None where it has none.

    Args:
        model: Any model; only one whose module has `net` and `prepare` can have such a map.
    """
    module = getattr(model, "module", None)
    found = getattr(getattr(module, "net", None), ATTENTION, None)
    if not callable(found) or not hasattr(module, "prepare"):
        return None

    def maps(images: NDArray[np.float32], model: Any) -> Any:
        import torch

        pipeline = model.module
        device = next((p.device for p in pipeline.parameters()), torch.device("cpu"))
        with torch.inference_mode():
            x = pipeline.prepare(torch.as_tensor(np.array(images), device=device).float())
            return getattr(pipeline.net, ATTENTION)(x)

    return OwnMap(function=maps, inside=True)


def own_part(
    own: OwnMap | None, model: ImagingModel, images: NDArray[np.float32], explained: Explained,
    baseline: NDArray[np.float32], rng: np.random.Generator, *, batch: int, checks: bool,
) -> Part:  # fmt: skip
    """Return the model's own maps of the explained outputs, or why they cannot be used.

    Checked, before a map counts:

    - weights. A map that is given the model must change when the model's weights do (it is asked once with a copy whose
      weights are drawn anew); one that is not must say the digest of the weights that it was computed on, and it must
      be the audited one. A function in the file of an audited callable shares that file's digest.
    - output. Where there is one map an output, or several outputs that could be meant, the maps are held against
      occlusion of each output of the audited model: a map that follows another output's more closely than its own, in
      all but chance cases, is refused.
    - sign. A map that runs against occlusion of the audited model is refused.

    A map that agrees with occlusion only weakly stands: whether it is faithful is what XAI001 measures.

    Args:
        own: The maps; None where the model gives none.
        model: The audited model.
        images: (n, channels, *spatial) stored intensities.
        explained: What is explained of them.
        baseline: What occlusion puts in.
        rng: Draws the weights of the copy.
        batch: Images a question.
        checks: False: only shape and finiteness are looked at.
    """
    if own is None:
        return _refused("the model gives no map of its own")
    try:
        maps = _asked(own, model, images, explained)
    except Unusable as error:
        return _refused(str(error))
    if checks:
        reason = _other_weights(own, model, images, maps, explained, rng) or _other_output(
            maps, model, images, explained, baseline, batch
        )
        if reason:
            return _refused(reason)
    return Part(values={OWN_MAP: maps})


class Unusable(Exception):
    """A map that does not fit the images."""


def _refused(reason: str) -> Part:
    return Part(values={}, refused={OWN_MAP: reason})


def _asked(own: OwnMap, model: Any, images: NDArray[np.float32], explained: Explained) -> NDArray[np.float64]:
    """Return (n, *spatial) maps of the explained outputs.

    Raises:
        Unusable: The function fails, or its maps do not fit.
    """
    try:
        said = own.function(np.array(images), model=model) if takes_model(own) else own.function(np.array(images))
        if hasattr(said, "detach"):
            said = said.detach().cpu().numpy()
        maps = np.asarray(said, dtype=np.float64)
    # The user's own function may raise anything, or leave.
    except (Exception, SystemExit) as error:
        raise Unusable(f"{own.name} fails: {type(error).__name__}: {str(error)[:160]}") from error
    n, spatial = len(images), images.shape[2:]
    if maps.ndim == images.ndim and maps.shape[0] == n and maps.shape[1] > 1:
        if maps.shape[1] <= int(explained.index.max(initial=0)):
            raise Unusable(f"{own.name} gives {maps.shape[1]} maps a case, fewer than there are outputs")
        maps = maps[np.arange(n), explained.index]
    elif maps.ndim == images.ndim and maps.shape[:2] == (n, 1):
        maps = maps[:, 0]
    if maps.ndim != images.ndim - 1 or len(maps) != n:
        raise Unusable(f"{own.name} gives an array {maps.shape} for images {images.shape}; expected (n, *spatial)")
    if maps.shape[1:] != spatial:
        maps = _enlarged(maps, spatial)
    if not np.isfinite(maps).all():
        raise Unusable(f"{own.name} gives values that are no numbers")
    return maps


def _enlarged(maps: NDArray[np.float64], spatial: tuple[int, ...]) -> NDArray[np.float64]:
    """Return maps of a coarser grid at the image's size, linearly between the centres of their cells."""
    from scipy import ndimage

    axes = [(np.arange(s) + 0.5) * m / s - 0.5 for s, m in zip(spatial, maps.shape[1:], strict=True)]
    places = np.meshgrid(*axes, indexing="ij")
    return np.stack([ndimage.map_coordinates(m, places, order=1, mode="nearest") for m in maps])


def takes_model(own: OwnMap) -> bool:
    """Return whether a function of own maps has an argument `model`, and so is computed on what it is given."""
    try:
        return "model" in inspect.signature(own.function).parameters
    except (TypeError, ValueError):
        return False


def _other_weights(
    own: OwnMap, model: Any, images: NDArray[np.float32], maps: NDArray[np.float64], explained: Explained,
    rng: np.random.Generator,
) -> str:  # fmt: skip
    said = own.digest or str(getattr(own.function, "digest", ""))
    if said and said != model.card.digest:
        return (
            f"{own.name} was computed on other weights: its digest is {said[:12]}, the audited model's "
            f"{model.card.digest[:12]}"
        )
    if said:
        return ""
    if takes_model(own) and model.card.access >= Access.GRADIENT:
        from audit.explain._controls import untrained

        other = untrained(model, rng)
        if other is None:
            return f"whether {own.name} is computed on the audited weights cannot be checked: they cannot be redrawn"
        few = images[:CHECKED]
        try:
            again = _asked(own, other, few, explained.take(slice(0, len(few))))
        except Unusable:
            # It looked at the weights, and could not use these.
            return ""
        if np.allclose(again, maps[: len(few)], rtol=1e-6, atol=1e-9 * max(np.abs(maps).max(), 1e-300)):
            return f"{own.name} stays the same when the model's weights are drawn anew: it is not computed on them"
        return ""
    if takes_model(own) or same_file(own.function, model):
        return ""
    return f"{own.name} does not say on which weights it was computed; expected a digest, the audited model's"


def same_file(function: Any, model: Any) -> bool:
    """Return whether a function of own maps stands in the file of an audited callable, which its digest covers."""
    try:
        own = inspect.unwrap(function)
        return model.card.kind == "callable" and inspect.getfile(own) == inspect.getfile(model.function)
    except (AttributeError, TypeError, OSError):
        return False


def _other_output(
    maps: NDArray[np.float64], model: Any, images: NDArray[np.float32], explained: Explained,
    baseline: NDArray[np.float32], batch: int,
) -> str:  # fmt: skip
    """Return why a map is of another output or of the other sign than the explained one, empty where it is not."""
    from audit.models import fast_predict

    rows = np.arange(min(len(images), COMPARED))
    if rows.size < _LEAST_CASES:
        return f"output and sign of a model's own map are checked on {_LEAST_CASES} cases at least, got {rows.size}"
    queries, few = windows_of(images.shape[2:]), explained.take(rows)
    asked = AskedOnce(card=model.card, ask=fast_predict(model, images[rows]))
    if images.ndim > _PLANES:
        batch = min(batch, max(1, _TOGETHER // images[0].size))

    def occluded(of: Explained) -> NDArray[np.float64]:
        asked.place = 0
        found = query_maps(
            asked, images[rows], baseline[rows], of, (OCCLUSION,), queries, np.random.default_rng(0), batch
        )
        return found[OCCLUSION]

    own = rank_correlation(maps[rows], occluded(few))
    outputs = _outputs(model, explained)
    rivals = [
        rank_correlation(maps[rows], occluded(replace(few, index=(few.index + shift) % outputs)))
        for shift in range(1, outputs)
    ]
    closest = max((float(rival.mean()) for rival in rivals), default=-1.0)
    against = surely_below(own)
    # A map of the other sign runs against its own output more clearly than it goes along with any other.
    if any(surely_below(own - rival) for rival in rivals) and not (against and -float(own.mean()) >= closest):
        return (
            "it belongs to another output than the one that is explained: occlusion of that one is closer to it, "
            f"{closest:.2f} in rank correlation against {float(own.mean()):.2f}"
        )
    return "its sign is reversed: it runs against occlusion of the audited model" if against else ""


def _outputs(model: Any, explained: Explained) -> int:
    if explained.region is not None or model.card.task not in ("multiclass", "multilabel", "ordinal"):
        return 1
    return max(len(model.card.classes), int(explained.index.max(initial=0)) + 1)


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) Spearman correlations of maps (n, *spatial); 0 where one of them is flat."""
    from scipy import stats

    out = np.zeros(len(one))
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        x, y = stats.rankdata(a), stats.rankdata(b)
        if np.ptp(x) > 0 and np.ptp(y) > 0:
            out[row] = np.corrcoef(x, y)[0, 1]
    return out


def surely_below(values: NDArray[np.float64]) -> bool:
    """Return whether values of independent cases lie below 0 in all but chance cases: one-sided t test at 1 in 1000."""
    from scipy import stats

    spread = values.std(ddof=1)
    if spread == 0:
        return bool(values[0] < 0)
    return bool(values.mean() / (spread / np.sqrt(values.size)) < stats.t.ppf(1e-3, values.size - 1))
