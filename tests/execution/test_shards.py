"""The model asked about shards of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, ModelSpec
from audit.errors import ModelError
from audit.execution import Answers, Silent, clean_predictions, out_of_memory, shard_size
from audit.execution._shards import ask_shard
from audit.models import from_module, limited
from tests.execution._make import MeanModel, card, cohort


def ask(model: Any, c: Any, positions: Any, batch: int = 2, **more: Any) -> Answers:
    return ask_shard(model, c, np.asarray(positions), batch, **more)


class Counting(MeanModel):
    """Counts the images that it is asked about, and the largest batch."""

    def __init__(self, *arguments: Any, most: int = 99) -> None:
        super().__init__(*arguments)
        self.asked, self.most, self.sizes = 0, most, []

    def predict(self, images: Any) -> Any:
        if len(images) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        self.asked += len(images)
        self.sizes.append(len(images))
        return super().predict(images)


def test_shards_join_to_the_answers_of_all() -> None:
    """Two shards say what one says, whatever the batch, and see the same images."""
    c = cohort([0.1, 0.9, 0.4, 0.7, 0.3])
    whole = ask(MeanModel(card()), c, range(5), batch=5)
    parts = Answers.joined([ask(MeanModel(card()), c, [0, 1, 2]), ask(MeanModel(card()), c, [3, 4])])
    assert parts.raw.tolist() == whole.raw.tolist()
    assert parts.seen == whole.seen
    assert Answers.of(parts.arrays()).raw.tolist() == whole.raw.tolist()


def test_answers_of_an_earlier_run_are_used_where_the_images_are_the_same() -> None:
    """A batch with one changed pixel is asked again, the others are not."""
    before = ask(MeanModel(card()), cohort([0.1, 0.9, 0.4, 0.7]), range(4))
    model = Counting(card())
    after = ask(model, cohort([0.1, 0.9, 0.4, 0.8]), range(4), known=before)
    assert model.asked == 2
    assert after.raw[:3].tolist() == before.raw[:3].tolist()
    assert after.raw[3] != before.raw[3]


def test_a_case_without_an_answer_is_asked_about_again() -> None:
    """Why it had none may have passed, though its image is the same."""
    c = cohort([0.1, 0.9, 0.4, 0.7])
    whole = ask(MeanModel(card()), c, range(4))
    before = replace(whole, reasons=(None, "reading took longer than 60 s", None, None))
    model = Counting(card())
    after = ask(model, c, range(4), known=before)
    assert after.reasons == (None,) * 4
    assert model.asked == 2


def test_a_batch_that_does_not_fit_into_memory_is_halved() -> None:
    """Until it fits, and from then on; the answers stay the same and say how many were asked at a time."""
    c = cohort([0.1, 0.9, 0.4, 0.7, 0.3, 0.2, 0.6, 0.5])
    model = Counting(card(), most=3)
    found = ask(model, c, range(8), batch=8)
    assert found.batch == 2
    assert set(model.sizes) == {2}
    assert found.raw.tolist() == ask(MeanModel(card()), c, range(8), batch=8).raw.tolist()
    clean = clean_predictions(
        Counting(card(), most=3), c, replace(BUDGETS["smoke"], batch_size=8), workers=1, progress=Silent()
    )
    assert clean.batch == 2


def test_one_image_that_does_not_fit_is_an_error() -> None:
    """There is nothing left to halve."""
    with pytest.raises(ModelError, match="failed on a batch"):
        ask(Counting(card(), most=0), cohort([0.1, 0.9]), range(2))


def test_another_error_of_the_model_is_not_tried_again() -> None:
    """Only a lack of memory is answered by a smaller batch."""

    class Broken(MeanModel):
        asked = 0

        def predict(self, images: Any) -> Any:
            self.asked += 1
            raise RuntimeError("shapes do not match")

    model = Broken(card())
    with pytest.raises(ModelError):
        ask(model, cohort([0.1, 0.9]), range(2))
    assert model.asked == 1


def test_what_says_that_memory_ran_out() -> None:
    """The words of torch on processor and graphics card, of onnxruntime and of Python, also as a cause."""
    said = [
        MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError("Failed to allocate memory for 8"),
    ]  # fmt: skip
    assert all(out_of_memory(e) for e in said)
    wrapped = ModelError("x")
    wrapped.__cause__ = said[1]
    assert out_of_memory(wrapped)
    assert not out_of_memory(ValueError("out of memory"))
    assert not out_of_memory(None)


def test_shards_are_whole_batches_and_there_are_dozens() -> None:
    """Few cases: one batch a shard; many: eight at most."""
    assert shard_size(100, 32) == 32
    assert shard_size(10_000, 32) == 4 * 32
    assert shard_size(100_000, 32) == 8 * 32


@pytest.mark.parametrize("most", [1, 3, 8])
def test_a_limited_network_gives_the_same_answers_and_gradients(most: int) -> None:
    """In parts of any size, forward and backward; no part is larger than allowed, also when it is worked out again."""
    import torch

    sizes = []

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 1))

        def forward(self, x: Any) -> Any:
            sizes.append(len(x))
            return self.net(x).tanh()

    torch.manual_seed(0)
    spec = ModelSpec(kind="torch", task="binary", output="logits", operating_point=0.5)
    model = from_module(Net(), spec)
    images = torch.rand(8, 1, 4, 4)

    def gradient(m: Any) -> Any:
        x = images.clone().requires_grad_(True)
        return torch.autograd.grad(m.forward(x).square().sum(), x)[0]

    expected, answers = gradient(model), model.predict(images.numpy())
    sizes.clear()
    few = limited(model, most)
    assert torch.allclose(gradient(few), expected, atol=1e-7)
    assert few.predict(images.numpy()) == pytest.approx(answers, abs=1e-6)
    assert max(sizes) <= most
    assert few.card is model.card
    assert few.state_digest() == model.state_digest()
