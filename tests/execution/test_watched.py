"""What passes through a model is counted, wherever it is asked from, and nothing that it says is changed."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from audit.cohorts import read_batches
from audit.core import SourceView
from audit.core.clock import Clock
from audit.errors import InputError
from audit.execution._watched import watching
from audit.probes.adversarial import PROBES
from audit.testing import context, network, network_cohort, other_split
from tests.execution._make import MeanModel, card, cohort

torch = pytest.importorskip("torch")


@pytest.fixture
def images():
    return np.random.default_rng(0).random((6, 1, 16, 16), dtype=np.float32)


def counted(model, what):
    """Return forward and backward images of one piece of work."""
    clock = Clock()
    with watching(clock, [model]), clock.part("x"):
        what(model)
    return clock.parts["x"].forwards, clock.parts["x"].backwards


def test_questions_and_gradients_of_a_network_are_counted(images):
    """Six images asked, six more with a gradient."""

    def ask(model):
        model.predict(images)
        x = torch.from_numpy(images).requires_grad_()
        torch.autograd.grad(model.forward(x).sum(), x)

    assert counted(network(), ask) == (12, 6)


def test_a_gradient_that_a_library_takes_backwards_is_timed(images):
    """`loss.backward()` is a gradient, too; of how many images it cannot say."""
    clock, model = Clock(), network()
    with watching(clock, [model]), clock.part("x"):
        model.forward(torch.from_numpy(images).requires_grad_()).sum().backward()
    assert clock.parts["x"].seconds["backward"] > 0
    assert clock.parts["x"].forwards == 6


def test_a_copy_of_the_network_is_counted_too(images):
    """Attacks search on faster copies, explanations on copies that can be hooked."""
    from audit.models import fast_predict
    from audit.testing._networks import declared

    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, 1))
    model = declared(torch.nn.Sequential(*layers), (16, 16), task="binary", output="logits", classes=("no", "yes"))

    def ask(model):
        copy.deepcopy(model.module)(torch.from_numpy(images))
        fast_predict(model, images)(images)

    # Six each by the copy, the model and the fast copy, and seven to compare these two on.
    assert counted(model, ask) == (6 + 6 + 7 + 6, 0)


def test_a_model_that_is_a_function_is_counted_at_its_answers():
    """Where no network is seen, the images that it was asked about count, and its time is a forward pass."""
    clock, model = Clock(), MeanModel(card())
    with watching(clock, [model]), clock.part("x"):
        model.predict(np.zeros((5, 1, 2, 2)))
    assert clock.parts["x"].forwards == 5
    assert clock.parts["x"].seconds["forward"] > 0


def test_everything_is_put_back(images):
    """After the run the model, torch and what they say are as they were."""
    model = network()
    before, grad, backward = model.predict(images), torch.autograd.grad, torch.autograd.backward
    with watching(Clock(), [model]):
        assert "predict" in vars(model)
        assert torch.autograd.grad is not grad
    assert "predict" not in vars(model)
    assert (torch.autograd.grad, torch.autograd.backward) == (grad, backward)
    assert not model.module._forward_hooks
    assert not model.module._forward_pre_hooks
    assert np.array_equal(model.predict(images), before)


def test_nothing_is_counted_after_an_error_within_a_pass(images):
    """A pass that fails is closed, and what follows is charged to the rest."""
    clock, model = Clock(now=iter(range(1000)).__next__), network()
    with watching(clock, [model]), clock.part("x"):
        with pytest.raises(Exception, match="images"):
            model.predict(images[:, :, :3, :3].repeat(2, axis=1))
        with pytest.raises(RuntimeError):
            model.module(torch.zeros(1, 2, 3))
        assert clock._stack[-1][1] == "rest"


def test_outside_of_a_part_a_watched_model_answers_as_ever(images):
    """Nothing is charged to anybody."""
    clock, model = Clock(), network()
    with watching(clock, [model]):
        model.predict(images)
    assert clock.parts == {}


def test_a_model_that_cannot_be_watched_is_refused():
    """Rather than a profile without its passes there is none, with the way out."""

    class Bare:
        __slots__ = ("card",)

        def predict(self, images):
            return images

    with pytest.raises(InputError, match="cannot be timed"), watching(Clock(), [Bare()]):
        pass
    # A frozen dataclass is no hindrance.
    with watching(Clock(), [MeanModel(card())]):
        pass


def measured(watched):
    """Return what ADV001 measures on a planted network, and what was counted."""
    probe = next(p for p in PROBES if p.info.code == "ADV001")
    model, cases, clock = network(), network_cohort(np.random.default_rng(3), n=24), Clock()
    # The clean predictions stand before the probe in a run.
    raw = model.predict(np.stack([cases.images.load(i) for i in range(len(cases))]))
    given = context(model, cases, seed=5, raw=raw)
    if not watched:
        return list(probe().run(given)), clock
    with watching(clock, [model], [cases]), clock.part("ADV001"):
        return list(probe().run(given)), clock


def test_an_attack_measures_the_same_under_a_clock():
    """Bit by bit; and equal runs count equal passes, in the forward count those that go on to a gradient included."""
    plain, _ = measured(watched=False)
    first, clock = measured(watched=True)
    again, other = measured(watched=True)
    assert first == plain
    assert again == plain
    spent, same = clock.parts["ADV001"], other.parts["ADV001"]
    assert (spent.forwards, spent.backwards) == (same.forwards, same.backwards)
    assert spent.forwards > spent.backwards > 0
    assert spent.seconds["reading"] > 0


class Source:
    """Images that count from 0, and what else a source may offer."""

    spacing = (1.0, 2.0)

    def __len__(self):
        return 3

    def load(self, index):
        return np.full((1, 2, 2), index)

    def stored(self, index):
        return ("stored", index)


def test_reading_is_charged_wherever_an_image_is_read():
    """Images, masks and those of other splits, through a choice of rows, too; afterwards nothing is left of it."""
    clock = Clock(now=iter(range(1000)).__next__)
    images, masks, others = Source(), Source(), Source()
    split = replace(other_split(["a", "b", "c"]), images=others)
    view = SourceView(source=images, rows=np.array([2, 1, 0]))
    cases = replace(cohort(np.linspace(0, 1, 3)), images=view, masks=masks, others=(split,))
    with watching(clock, [], [cases]), clock.part("x"):
        assert cases.images.load(0).max() == 2
        assert cases.subset(np.array([1])).images.load(0).max() == 1
        assert cases.masks.load(1).max() == 1
        assert cases.others[0].images.load(1).max() == 1
        assert images.stored(0) == ("stored", 0)
        assert copy.deepcopy(images).load(2).max() == 2
    assert clock.parts["x"].seconds["reading"] == 6
    assert vars(images) == vars(masks) == vars(others) == {}


def test_waiting_for_what_others_read_ahead_is_reading():
    """Threads that read ahead are not timed themselves; who waits for them is, and nobody reads twice."""
    clock = Clock(now=iter(range(1000)).__next__)
    with watching(clock, [], [cohort(np.linspace(0, 1, 8))]), clock.part("x"):
        batches = list(read_batches(cohort(np.linspace(0, 1, 8)), range(8), 4, workers=2))
    assert [len(b.kept) for b in batches] == [4, 4]
    # One tick from begin to end of the wait for each of the two batches.
    assert clock.parts["x"].seconds["reading"] == 2


def test_a_watched_source_can_be_sent_to_another_process():
    """It is read there, where no clock of ours runs."""
    source = Source()
    cases = replace(cohort(np.linspace(0, 1, 3)), images=source)
    with watching(Clock(), [], [cases]):
        sent = pickle.loads(pickle.dumps(source))
    assert sent.load(2).max() == 2


@pytest.mark.parametrize("method", ["deep_lift", "grad_cam"])
def test_attributions_that_enter_behind_the_preparation_pass_images(images, monkeypatch, method):
    """What asks a copy past its preparation passes images, too: as many are told as the network answers."""
    from audit.explain import attribute, explained_by
    from tests.attacks.nets import convolutional, wrap

    model, images, answered = wrap(convolutional(0)), images[:, :, :6, :6], []
    explained, pipeline = explained_by(model.predict(images), model.card), type(model.module)
    own = pipeline.answer
    monkeypatch.setattr(pipeline, "answer", lambda self, x: answered.append(len(x)) or own(self, x))

    def explain(model):
        found = attribute(model, images, explained, rng=np.random.default_rng(0), batch=4, methods=(method,))
        assert method in found.values

    assert counted(model, explain)[0] == sum(answered) > 0
