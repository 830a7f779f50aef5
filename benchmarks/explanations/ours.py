"""This suite's side: answers what bench asks for, in a process that stays up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from audit import models
from audit.core import InputSpec, ModelSpec
from audit.explain import LINEAR, Explained, area, attribute, cascade, curves, explained_by, make_fill, ranks, redrawn
from audit.explain._fills import Still
from audit.explain._imputation import imputed
from audit.explain._similarity import Prepared, alike
from audit.models import fast_copy, fast_predict, from_module
from benchmarks._driver import peak_mb, serve
from benchmarks.explanations import tasks


def _model(task: tasks.Task) -> Any:
    spec = ModelSpec(
        kind="torch", task="multiclass", output="logits", classes=("none", "lesion"),
        input=InputSpec(range=(0.0, 1.0), scale=False, size=task.images.shape[2:]),
    )  # fmt: skip
    return from_module(task.net, spec)


def _explained(model: Any, task: tasks.Task) -> Explained:
    return explained_by(model.predict(task.images), model.card)


def _predict(model: Any, task: tasks.Task, how: str) -> Any:
    if how == "eager":
        return model.predict
    if how == "fold":
        return fast_predict(model, task.images)
    low = fast_copy(model.module, torch.bfloat16)
    assert low is not None

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return low(torch.from_numpy(images)).double().numpy()

    return predict


def deletion(path: str, how: str, cases: int, batch: int, save: str = "") -> dict[str, Any]:
    """Time deletion curves with a constant fill; the curves are kept."""
    task = tasks.load(path).cut(cases)
    model = _model(task)
    explained, maps = _explained(model, task), task.maps
    low = task.images.min(axis=tuple(range(1, task.images.ndim)), keepdims=True)
    shares = np.arange(tasks.STEPS + 1) / tasks.STEPS
    predict = _predict(model, task, how)
    predict(task.images)
    found: list[np.ndarray] = []

    def run() -> None:
        for start in range(0, cases, batch):
            rows = slice(start, start + batch)
            images, fill, own = task.images[rows], low[rows] + 0 * task.images[rows], explained.take(rows)

            def ask(changed: np.ndarray, own: Explained = own) -> np.ndarray:
                return own.score(predict(changed))

            places = ranks(maps[rows], np.random.default_rng(0))
            ends = ask(images), ask(fill)
            found.append(curves(ask, Still(images=images, instead=fill), places, shares, insertion=False, ends=ends))

    limit = tasks.forwards(task, cases * tasks.STEPS, min(32, cases))
    seconds = tasks.timed(run)
    limit = (limit + tasks.forwards(task, cases * tasks.STEPS, min(32, cases))) / 2
    if save:
        whole = np.concatenate(found)
        np.savez(save, curve=whole[:, 1:], area=area(whole, shares))
    return {"seconds": seconds, "limit": limit}


def road(path: str, how: str, cases: int, save: str = "") -> dict[str, Any]:
    """Time ROAD: pixels imputed, and whether the decision stays."""
    task = tasks.load(path).cut(cases)
    model = _model(task)
    predict, places = _predict(model, task, how), ranks(task.maps, np.random.default_rng(0))
    predict(task.images)
    size = task.images[0, 0].size
    kept = {}

    def run() -> None:
        fill = make_fill(LINEAR, task.images, np.random.default_rng(0))
        for percentage in tasks.PERCENTAGES:
            said = predict(fill(places < size * percentage // 100)).argmax(axis=1)
            kept[percentage] = float((said == task.decided).mean())

    count = cases * len(tasks.PERCENTAGES)
    limit = tasks.forwards(task, count, min(32, cases))
    seconds = tasks.timed(run)
    limit = (limit + tasks.forwards(task, count, min(32, cases))) / 2
    if save:
        np.savez(save, kept=np.array([kept[p] for p in tasks.PERCENTAGES]))
    return {"seconds": seconds, "limit": limit}


def imputation(path: str, cases: int, save: str) -> dict[str, Any]:
    """Keep imputed images without noise, at the tolerance that is used and at a strict one."""
    task = tasks.load(path).cut(cases)
    size = task.images[0, 0].size
    places = ranks(task.maps, np.random.default_rng(0))
    images = task.images.astype(np.float64)
    out = {}
    for percentage in tasks.PERCENTAGES:
        gone = places < size * percentage // 100
        out[f"strict_{percentage}"] = imputed(images, gone, tolerance=1e-9)
        out[f"used_{percentage}"] = imputed(task.images, gone)
    np.savez(save, **out)
    return {"spread": float(task.images.std())}


def randomisation(path: str, cases: int, save: str = "") -> dict[str, Any]:
    """Time saliency under weights that are drawn again layer by layer, and how alike the maps stay by ranks."""
    task = tasks.load(path).cut(cases)
    model = _model(task)
    explained = _explained(model, task)

    def maps(net: Any) -> np.ndarray:
        found = attribute(
            net, task.images, explained, methods=["saliency"], rng=np.random.default_rng(0), batch=32,
            baseline=task.images, checks=False,
        )  # fmt: skip
        return found.values["saliency"]

    maps(model)
    layers = 0

    def run() -> None:
        nonlocal layers
        first = Prepared(maps(model), structure=False)
        net = redrawn(model, np.random.default_rng(0), image=task.images[:1])
        layers = len(net.layers)
        for step in cascade(net.layers, len(net.layers)):
            net.draw(step)
            alike(first, Prepared(maps(net), structure=False))

    seconds = tasks.timed(run)
    limit = tasks.gradients(task, cases * (layers + 1), min(32, cases))
    seconds = min(seconds, tasks.timed(run))
    limit = (limit + tasks.gradients(task, cases * (layers + 1), min(32, cases))) / 2
    return {"seconds": seconds, "limit": limit, "layers": layers}


def similarity(path: str, cases: int, save: str) -> dict[str, Any]:
    """Keep rank correlations and structural similarities of the images with their neighbours."""
    task = tasks.load(path).cut(cases)
    one, two = task.images[:, 0].astype(float), np.roll(task.images[:, 0].astype(float), 1, axis=0)
    found = alike(Prepared(one), Prepared(two))
    np.savez(save, spearman=found["signed"])
    return {}


def attributions(path: str, cases: int, save: str) -> dict[str, Any]:
    """Keep the maps of all methods that captum has, from a baseline of half the brightness."""
    task = tasks.load(path).cut(cases)
    model = _model(task)
    explained = _explained(model, task)
    names = [
        "saliency", "input_x_gradient", "integrated_gradients", "deep_lift", "guided_backprop", "grad_cam",
        "occlusion",
    ]  # fmt: skip
    seconds = {}
    values: dict[str, np.ndarray] = {}
    refused: dict[str, str] = {}
    complete: dict[str, float] = {}
    for name in names:
        from audit.explain import Queries

        def run(name: str = name) -> None:
            found = attribute(
                model, task.images, explained, methods=[name], rng=np.random.default_rng(0), batch=32,
                baseline=np.full_like(task.images, 0.3), queries=Queries(window_share=0.125, overlap=0.0),
            )  # fmt: skip
            values.update(found.values)
            refused.update(found.refused)
            complete.update({k: float(np.median(v)) for k, v in found.completeness.items()})

        seconds[name] = tasks.timed(run)
    np.savez(save, **values)
    return {"seconds": seconds, "refused": refused, "completeness": complete}


def volume(side: int, tile: int, steps: int, limit_mb: float) -> dict[str, Any]:
    """Return the largest resident size after integrated gradients of one cubed volume, by tiles where tile > 0."""
    torch.manual_seed(0)
    net = tasks.network("cnn3").eval().requires_grad_(False)
    shape = (side,) * 3 if tile else (32, 64, 64)
    spec = ModelSpec(
        kind="torch", task="multiclass", output="logits", classes=("none", "lesion"),
        input=InputSpec(range=(0.0, 1.0), scale=False, size=shape, tile=(tile,) * 3 if tile else None),
    )  # fmt: skip
    model = from_module(net, spec)
    images = np.random.default_rng(0).random((1 if tile else 4, 1, *shape)).astype(np.float32)
    explained = explained_by(model.predict(images), model.card)
    before = peak_mb()
    names = ["integrated_gradients", "saliency", "deep_lift", "grad_cam", "guided_backprop"]
    seconds = tasks.timed(
        lambda: attribute(model, images, explained, methods=names, rng=np.random.default_rng(0), batch=32)
    )
    return {"mb": peak_mb(), "before": before, "seconds": seconds, "held": peak_mb() <= limit_mb, "steps": steps}


def prepare(name: str, cases: int, path: str) -> dict[str, Any]:
    """Train a network and save it."""
    return tasks.prepare(name, cases, Path(path))


def bfloat16() -> dict[str, Any]:
    """Return whether this processor computes in bfloat16 itself."""
    return {"pays": bool(models.bfloat16_pays(torch.device("cpu")))}


if __name__ == "__main__":
    serve({
        "deletion": deletion, "road": road, "imputation": imputation, "randomisation": randomisation,
        "similarity": similarity, "attributions": attributions, "volume": volume, "prepare": prepare,
        "bfloat16": bfloat16,
    })  # fmt: skip
