"""The peers' side: Quantus and captum, in an environment of their own."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
import torch

if not hasattr(np, "trapz"):
    # Quantus 0.6 calls numpy's trapz, which numpy 2.4 no longer has under that name.
    setattr(np, "trapz", np.trapezoid)  # noqa: B010

import quantus

from benchmarks._driver import serve
from benchmarks.explanations import tasks

warnings.simplefilter("ignore")


def _quiet(run: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run()


def deletion(path: str, cases: int, baseline: str = "black", save: str = "") -> dict[str, Any]:
    """Time Quantus' pixel flipping."""
    task = tasks.load(path).cut(cases)
    size = task.images[0, 0].size
    metric = quantus.PixelFlipping(
        features_in_step=size // tasks.STEPS, perturb_baseline=baseline, normalise=False, abs=False,
        disable_warnings=True,
    )  # fmt: skip
    found: list[Any] = []

    def run() -> None:
        found[:] = metric(
            model=task.net, x_batch=task.images, y_batch=task.decided, a_batch=task.maps[:, None], softmax=True,
            channel_first=True, device="cpu", batch_size=32,
        )  # fmt: skip

    limit = tasks.forwards(task, cases * tasks.STEPS, min(32, cases))
    seconds = tasks.timed(lambda: _quiet(run))
    limit = (limit + tasks.forwards(task, cases * tasks.STEPS, min(32, cases))) / 2
    if save:
        np.savez(save, curve=np.array(found))
    return {"seconds": seconds, "limit": limit}


def road(path: str, cases: int, save: str = "") -> dict[str, Any]:
    """Time Quantus' ROAD."""
    task = tasks.load(path).cut(cases)
    np.random.seed(0)  # noqa: NPY002
    metric = quantus.ROAD(percentages=list(tasks.PERCENTAGES), normalise=False, abs=False, disable_warnings=True)
    found: dict[Any, Any] = {}

    def run() -> None:
        found.update(
            metric(
                model=task.net, x_batch=task.images, y_batch=task.decided, a_batch=task.maps[:, None], softmax=True,
                channel_first=True, device="cpu", batch_size=32,
            )
        )  # fmt: skip

    count = cases * len(tasks.PERCENTAGES)
    limit = tasks.forwards(task, count, min(32, cases))
    seconds = tasks.timed(lambda: _quiet(run))
    limit = (limit + tasks.forwards(task, count, min(32, cases))) / 2
    if save:
        np.savez(save, kept=np.array([found[p] for p in tasks.PERCENTAGES]))
    return {"seconds": seconds, "limit": limit}


def imputation(path: str, cases: int, save: str) -> dict[str, Any]:
    """Keep images imputed by Quantus without noise."""
    from quantus.functions.perturb_func import noisy_linear_imputation

    task = tasks.load(path).cut(cases)
    size = task.images[0, 0].size
    order = np.argsort(-task.maps.reshape(cases, -1), axis=1)
    out = {}
    for percentage in tasks.PERCENTAGES:
        count = size * percentage // 100
        out[f"{percentage}"] = np.stack(
            [noisy_linear_imputation(x.astype(np.float64), o[:count], noise=0.0)
             for x, o in zip(task.images, order, strict=True)]
        )  # fmt: skip
    np.savez(save, **out)
    return {}


def randomisation(path: str, cases: int, save: str = "") -> dict[str, Any]:
    """Time Quantus' randomisation of parameters with saliency and rank correlations."""
    task = tasks.load(path).cut(cases)

    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
        found = tasks.saliency(model, torch.as_tensor(inputs).float(), torch.as_tensor(targets))
        return found.sum(dim=1, keepdim=True).numpy()

    metric = quantus.MPRT(normalise=False, abs=False, disable_warnings=True)
    found: dict[str, Any] = {}

    def run() -> None:
        found.clear()
        found.update(
            metric(
                model=task.net, x_batch=task.images, y_batch=task.decided, a_batch=None, explain_func=explain,
                channel_first=True, device="cpu", batch_size=32,
            )
        )  # fmt: skip

    seconds = tasks.timed(lambda: _quiet(run))
    layers = len(found) - 1
    # The maps of the whole network are made twice, once to compare with.
    limit = tasks.gradients(task, cases * (layers + 2), min(32, cases))
    seconds = min(seconds, tasks.timed(lambda: _quiet(run)))
    limit = (limit + tasks.gradients(task, cases * (layers + 2), min(32, cases))) / 2
    return {"seconds": seconds, "limit": limit, "layers": layers}


def similarity(path: str, cases: int, save: str) -> dict[str, Any]:
    """Keep Quantus' rank correlations of the images with their neighbours."""
    task = tasks.load(path).cut(cases)
    one, two = task.images[:, 0].reshape(cases, -1), np.roll(task.images[:, 0], 1, axis=0).reshape(cases, -1)
    np.savez(save, spearman=quantus.similarity_func.correlation_spearman(one, two, batched=True))
    return {}


def attributions(path: str, cases: int, save: str) -> dict[str, Any]:
    """Keep captum's own maps."""
    from captum import attr

    task = tasks.load(path).cut(cases)
    x, target = torch.as_tensor(task.images), torch.as_tensor(task.decided)
    start = torch.full_like(x, 0.3)
    layer = _last(task)
    window = tuple(max(2, round(0.125 * s)) for s in x.shape[2:])
    ways: dict[str, Any] = {
        "saliency": lambda: attr.Saliency(task.net).attribute(x, target=target),
        "input_x_gradient": lambda: attr.InputXGradient(task.net).attribute(x, target=target),
        "integrated_gradients": lambda: attr.IntegratedGradients(task.net).attribute(
            x, start, target=target, n_steps=32, internal_batch_size=32
        ),
        "deep_lift": lambda: attr.DeepLift(task.net).attribute(x, start, target=target),
        "guided_backprop": lambda: attr.GuidedBackprop(task.net).attribute(x, target=target),
        "grad_cam": lambda: attr.LayerAttribution.interpolate(
            attr.LayerGradCam(task.net, layer).attribute(x, target=target, relu_attributions=True), x.shape[2:],
            "bilinear" if x.ndim == 4 else "trilinear",
        ),
        "occlusion": lambda: attr.Occlusion(task.net).attribute(
            x, (1, *window), strides=(1, *window), baselines=start, target=target
        ),
    }  # fmt: skip
    seconds, values, errors = {}, {}, {}
    for name, way in ways.items():
        found: dict[str, Any] = {}
        try:
            seconds[name] = tasks.timed(lambda way=way, found=found: found.update(map=_quiet(way)))
            values[name] = found["map"].detach().sum(dim=1).numpy()
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            errors[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    with torch.no_grad():
        change = (task.net(x) - task.net(start)).gather(1, target[:, None])[:, 0].numpy()
    complete = {
        n: float(np.median(np.abs(values[n].reshape(cases, -1).sum(axis=1) - change) / np.abs(change)))
        for n in ("integrated_gradients", "deep_lift") if n in values
    }  # fmt: skip
    np.savez(save, **values)
    return {"seconds": seconds, "errors": errors, "completeness": complete}


def _last(task: tasks.Task) -> Any:
    """Return the last layer with more than one position, as this suite's rule has it."""
    found: list[Any] = []
    handles = [
        m.register_forward_hook(
            lambda m, _, out: found.append(m) if out.ndim == task.images.ndim and out[0, 0].numel() > 1 else None
        )
        for m in task.net.modules() if m is not task.net
    ]  # fmt: skip
    with torch.no_grad():
        task.net(torch.as_tensor(task.images[:1]))
    for handle in handles:
        handle.remove()
    return [m for m in found if found.count(m) == 1][-1]


if __name__ == "__main__":
    serve({
        "deletion": deletion, "road": road, "imputation": imputation, "randomisation": randomisation,
        "similarity": similarity, "attributions": attributions,
    })  # fmt: skip
