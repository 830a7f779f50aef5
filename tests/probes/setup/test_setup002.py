"""SETUP002: the same image gets the same answer, or it says so."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import InputSpec, ModelSpec
from audit.probes.setup import NotDeterministic
from audit.testing import ArrayImages, check_probe, context, planted, small_cohort
from tests.probes.setup.conftest import faults, with_fault


def test_it_keeps_the_protocol():
    """It is deterministic by seed and leaves model and images as they were."""
    assert "binary with images" in check_probe(NotDeterministic)


def test_it_is_silent_on_a_healthy_model():
    """A function of the image alone raises no fault."""
    values = faults(NotDeterministic, with_fault())
    assert values == {"same-answer-twice": 0, "independent-of-the-batch": 0, "weights-untouched": 0}


def test_dropout_that_was_left_on_is_found():
    """Another answer at each look is a fault."""
    assert faults(NotDeterministic, with_fault("dropout-left-on"))["same-answer-twice"] == 1


def test_weights_that_drift_are_found():
    """Answering must not change what answers."""
    values = faults(NotDeterministic, with_fault("weights-drift"))
    assert values["weights-untouched"] == 1
    assert values["same-answer-twice"] == 0


def test_a_score_that_depends_on_the_batch_is_found():
    """Normalising over the batch lets other patients into the score."""
    ctx = with_fault()
    healthy = ctx.model.answer
    ctx.model.answer = lambda x: healthy(x) - healthy(x).mean()
    values = faults(NotDeterministic, ctx)
    assert values["independent-of-the-batch"] == 1
    assert values["same-answer-twice"] == 0


def test_a_position_in_the_batch_that_counts_is_found():
    """A model that treats the first image of a batch in its own way is found by the reversed order."""
    ctx = with_fault()
    healthy = ctx.model.answer
    ctx.model.answer = lambda x: healthy(x) + np.linspace(0, 1, len(x))[:, None]
    assert faults(NotDeterministic, ctx)["independent-of-the-batch"] == 1


def network_context(net):
    """Return a context of a torch network on random images."""
    from audit.models import from_module

    images = np.random.default_rng(0).uniform(0, 1, (40, 1, 8, 8)).astype(np.float32)
    spec = ModelSpec(
        kind="torch", task="binary", output="logits", classes=("negative", "positive"), input=InputSpec(size=(8, 8))
    )
    cohort = small_cohort(np.arange(40) % 2, images=ArrayImages(array=images))
    return context(from_module(net, spec), cohort)


def block(*layers):
    """Return a small network with further layers in its middle."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1))


def test_a_network_in_evaluation_mode_is_silent():
    """Rounding that depends on the size of the batch is no fault."""
    nn = pytest.importorskip("torch").nn
    assert not any(faults(NotDeterministic, network_context(block(nn.BatchNorm2d(8), nn.Dropout(0.5)))).values())


def test_dropout_as_a_function_is_found():
    """A network in evaluation mode that drops out all the same is found by its answers."""
    torch = pytest.importorskip("torch")

    class Drop(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.dropout(x, 0.5, training=True)

    values = faults(NotDeterministic, network_context(block(Drop())))
    assert values["same-answer-twice"] == 1
    assert values["evaluation-mode"] == 0


def test_a_layer_in_training_mode_is_found():
    """Batch statistics that are still on are found by the mode, by the batch and by the buffers."""
    nn = pytest.importorskip("torch").nn
    ctx = network_context(block(nn.BatchNorm2d(8)))
    ctx.model.module.net[2].train()
    values = faults(NotDeterministic, ctx)
    assert values["evaluation-mode"] == 1
    assert values["independent-of-the-batch"] == 1
    assert values["weights-untouched"] == 1


def test_only_a_budgets_worth_of_cases_is_asked():
    """n is the number of cases asked, and patients are counted as such."""
    from audit.testing import tiny_cohort

    ctx = context(planted(), tiny_cohort(np.random.default_rng(1), n=120, per_patient=3))
    first = next(iter(NotDeterministic().run(ctx)))
    assert first.n == ctx.budget.repeat_cases
    assert first.n_patients < first.n
