"""Every kind of model answers in a forked worker as it does at home."""

from __future__ import annotations

import warnings
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import InputSpec, ModelSpec
from audit.models import from_module, load_model
from tests.execution.test_pool import Processes, flow, tasks, workshop


def images(count: int = 8) -> np.ndarray:
    return np.stack([np.full((1, 2, 2), i / 8, dtype=np.float32) for i in range(count)])


def answers(model: Any, folder: Path) -> np.ndarray:
    """Return what two workers say of the cases of `workshop`."""
    shop = workshop(folder, model=model)
    with Processes(2).crew(shop) as crew:
        found = {d.task.start: shop.store.get(d.key).arrays["raw"] for d in flow(crew, tasks(), deque())}
    return np.concatenate([found[i] for i in sorted(found)])


def net() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 1)
    ).eval()  # fmt: skip


SPEC = {"task": "binary", "output": "logits", "operating_point": 0.5,
        "input": InputSpec(modality="photo", range=(0.0, 1.0), size=(2, 2))}  # fmt: skip


def test_a_network_that_was_asked_in_several_threads_before(tmp_path: Path) -> None:
    """The parent's pool of threads did not come along, and is not missed."""
    import torch

    model = from_module(net(), ModelSpec(kind="torch", **SPEC))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.nn.functional.conv2d(torch.randn(8, 8, 64, 64), torch.randn(8, 8, 3, 3))
        assert answers(model, tmp_path) == pytest.approx(asked(model), abs=1e-6)
    finally:
        torch.set_num_threads(before)


def asked(model: Any) -> np.ndarray:
    """Return what the model says here of the same cases."""
    shop = workshop(Path("unused"), model=model)
    return model.predict(np.stack([shop.cohort.images.load(i) for i in range(8)]))


def test_a_graph_whose_session_has_threads(tmp_path: Path) -> None:
    """onnxruntime's session is opened anew in every worker."""
    import torch

    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net(), (torch.zeros(2, 1, 2, 2),), path, dynamo=False, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )  # fmt: skip
    model = load_model(ModelSpec(kind="onnx", path="net.onnx", **SPEC), tmp_path)
    here = asked(model)
    assert answers(model, tmp_path / "cache") == pytest.approx(here, abs=1e-6)


def test_boosted_trees_that_use_threads(tmp_path: Path) -> None:
    """scikit-learn's boosting, fitted here in threads of its own."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from audit.models import from_callable

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    trees = HistGradientBoostingClassifier(max_iter=5).fit(x, x[:, 0] > 0)
    model = from_callable(lambda batch: trees.predict_proba(batch.reshape(len(batch), -1))[:, 1:],
                          ModelSpec(kind="callable", **{**SPEC, "output": "probabilities"}))  # fmt: skip
    assert answers(model, tmp_path).tolist() == asked(model).tolist()
