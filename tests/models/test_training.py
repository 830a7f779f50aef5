"""A training recipe is called as documented, checked for determinism, and bounded."""

# ruff: noqa: NPY002 - what recipes of others draw from

import random
import subprocess
import sys

import numpy as np
import pytest

from audit.core import Meter, TrainingsSpent
from audit.errors import InputError, ModelError
from audit.models import make_training
from audit.testing import ArrayImages, pixel_recipe, planted, small_cohort, tiny_cohort

CARD = planted().card


def development(n=80, seed=0):
    return tiny_cohort(np.random.default_rng(seed), n=n)


def training(recipe=None, cohort=None, **more):
    return make_training(recipe or pixel_recipe(), cohort or development(), CARD, **more)


class Says:
    """A model that says one number of every image."""

    def __init__(self, value):
        self.value = value

    def predict(self, images):
        return np.full((len(images), 1), float(self.value))


def test_a_recipe_learns_and_its_model_has_the_audited_declaration():
    """A linear model of 200 tiny images ranks fresh ones well, and answers what the audited model would."""
    made = training(cohort=development(200)).fit(np.arange(200), seed=1)
    fresh = development(300, seed=5)
    images = np.stack([fresh.images.load(i) for i in range(300)])
    said = made.predict(images)[:, 0]
    positive, negative = said[fresh.targets == 1], said[fresh.targets == 0]
    assert (positive[:, None] > negative[None, :]).mean() > 0.7
    assert (made.card.task, made.card.output, made.card.classes) == (CARD.task, CARD.output, CARD.classes)
    assert made.card.operating_point == CARD.operating_point


def test_a_network_is_given_stored_intensities_and_gives_gradients():
    """What the recipe sees and what its network sees are the same numbers, though the card declares a range."""
    torch = pytest.importorskip("torch")
    seen = []

    def recipe(images, targets, seed):
        seen.append(float(images.max()))

        class Mean(torch.nn.Module):
            def forward(self, x):
                seen.append(float(x.detach().max()))
                return x.mean(dim=(1, 2, 3))[:, None] * (1 + float(targets @ np.arange(len(targets))))

        return Mean()

    given = training(recipe)
    rows = np.arange(20)
    model = given.fit(rows, seed=0)
    seen.clear()
    model.predict(given.images(rows))
    assert seen[0] == float(given.images(rows).max())
    x = torch.as_tensor(given.images(rows[:2])).requires_grad_()
    model.forward(x).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad.abs().sum()) > 0


def test_targets_and_weights_reach_the_recipe():
    """Targets in place of the cohort's own, weights a case, and rows in the order asked for, twice where asked."""
    got = []

    def recipe(images, targets, seed, weights=None):
        got.append((images, targets, seed, weights))
        return Says(0)

    given = training(recipe)
    assert given.weighted
    rows = np.array([3, 3, 7])
    given.fit(rows, np.array([1, 0, 1]), seed=11, weights=np.array([1.0, 2.0, 3.0]))
    images, targets, seed, weights = got[0]
    np.testing.assert_array_equal(images, given.images(rows))
    assert (targets.tolist(), seed, weights.tolist()) == ([1, 0, 1], 11, [1.0, 2.0, 3.0])
    given.fit(rows, seed=11)
    assert got[-1][1].tolist() == given.cohort.targets[rows].tolist()
    assert got[-1][3] is None


def test_a_recipe_that_works_in_place_harms_nobody():
    """Images and targets that a recipe overwrites are copies."""

    def recipe(images, targets, seed):
        images[:], targets[:] = 0, 0
        return Says(0)

    given = training(recipe)
    before = given.images(np.arange(5)).copy(), given.cohort.targets.copy()
    given.fit(np.arange(5), seed=0)
    np.testing.assert_array_equal(given.images(np.arange(5)), before[0])
    np.testing.assert_array_equal(given.cohort.targets, before[1])


def test_a_recipe_that_ignores_its_seed_is_an_error_every_time():
    """Two trainings with one seed that differ are an error, also of the probes that come later."""
    rng = np.random.default_rng(0)
    given = training(lambda images, targets, seed: Says(rng.normal()))
    for _ in range(2):
        with pytest.raises(ModelError, match="not deterministic"):
            given.fit(np.arange(10), seed=0)


def test_a_recipe_that_hands_out_a_model_made_before_is_an_error_every_time():
    """One that makes the same model from other cases has learnt nothing, and no probe may say what it learns."""

    class Ready:
        def predict(self, images):
            return images.mean(axis=(1, 2, 3))[:, None]

    given = training(lambda images, targets, seed: Ready())
    for _ in range(2):
        with pytest.raises(ModelError, match="does not learn"):
            given.fit(np.arange(40), seed=0)


def test_a_recipe_that_learns_is_made_three_times_at_first_and_once_later():
    """Twice for its seed and once from half of the cases, inverted; one that refuses these has looked at them."""
    calls = []

    def recipe(images, targets, seed):
        calls.append(targets.copy())
        if len(calls) == 3:
            raise ValueError("these targets make no sense")
        return pixel_recipe()(images, targets, seed)

    given = training(recipe)
    for _ in range(2):
        given.fit(np.arange(40), seed=0)
    assert len(calls) == 4
    np.testing.assert_array_equal(calls[2], 1 - calls[0][::2])
    np.testing.assert_array_equal(calls[3], calls[0])


def test_generators_of_the_process_are_seeded_for_the_recipe_and_given_back():
    """A recipe that draws from them is deterministic, and what others draw afterwards is as it would have been."""
    np.random.seed(4)
    random.seed(4)
    expected = np.random.random(), random.random()
    np.random.seed(4)
    random.seed(4)
    made = training(lambda images, targets, seed: Says(np.random.random() + random.random()))
    values = [made.fit(np.arange(10), seed=s).predict(made.images(np.arange(1)))[0, 0] for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert (np.random.random(), random.random()) == expected


def test_a_library_that_the_recipe_brings_along_is_seeded_as_well():
    """A recipe that imports torch only when it is called, and sets no seed, is deterministic in a fresh process."""
    pytest.importorskip("torch")
    program = (
        "import sys, numpy as np\n"
        "from audit.models import make_training\n"
        "from audit.testing import planted, tiny_cohort\n"
        "def recipe(images, targets, seed):\n"
        "    import torch\n"
        "    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))\n"
        "    net[1].bias.data += float(np.arange(len(targets)) @ targets)\n"
        "    return net\n"
        "assert 'torch' not in sys.modules\n"
        "given = make_training(recipe, tiny_cohort(np.random.default_rng(0), n=20), planted().card)\n"
        "rows = np.arange(20)\n"
        "one, two = (given.fit(rows, seed=3).predict(given.images(rows)) for _ in range(2))\n"
        "assert (one == two).all()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (lambda images, targets, seed: 1 / 0, "the training recipe fails"),
        (lambda images, targets, seed: "a model", "gives no model"),
        (lambda images, targets, seed: Says(np.nan), "NaN or infinity"),
    ],
)
def test_a_recipe_that_fails_is_an_error(recipe, said):
    """What it raises, what is no model and what answers no number are named."""
    with pytest.raises(ModelError, match=said):
        training(recipe).fit(np.arange(10), seed=0)


def test_a_recipe_without_weights_is_told_so():
    """Weights for a recipe that takes none are an error, never ignored."""
    given = training(lambda images, targets, seed: Says(0))
    assert not given.weighted
    with pytest.raises(ModelError, match="no weights"):
        given.fit(np.arange(10), seed=0, weights=np.ones(10))


@pytest.mark.parametrize("recipe", [3, lambda images: Says(0)])
def test_an_object_that_is_no_recipe_is_refused_before_the_run(recipe):
    """It must be callable with images, targets and seed."""
    with pytest.raises(InputError, match="recipe"):
        training(recipe)


def test_trainings_are_counted_and_bounded():
    """The second training of a budget of one is refused with the cap; another probe starts from nothing."""
    given = training().within(trainings=1, seconds=60)
    given.fit(np.arange(40), seed=0)
    with pytest.raises(TrainingsSpent, match="allows 1 a probe"):
        given.fit(np.arange(40), seed=1)
    given.within(trainings=1, seconds=60).fit(np.arange(40), seed=1)


def test_time_is_bounded_and_what_the_run_declares_comes_first():
    """Seconds spent are looked at before each training; a declared number of seconds replaces the profile's."""
    meter = Meter(trainings=10, seconds=1.0, done=3, spent=1.5)
    with pytest.raises(TrainingsSpent, match="3 trainings took 2 s; the budget allows 1 s"):
        meter.claim()
    assert training(seconds=5.0).within(trainings=1, seconds=60).meter.seconds == 5.0


def test_a_patient_in_both_cohorts_is_refused_with_the_counts():
    """80 development patients of whom 40 are audited, too."""
    audited = development(40, seed=9)
    with pytest.raises(InputError) as caught:
        training(audited=audited)
    assert "40 of 80 patients" in str(caught.value)


def test_cohorts_without_patients_are_refused():
    """Where patients are not named nobody can tell whether one stands in both."""
    images = ArrayImages(array=np.zeros((4, 1, 8, 8)))
    other = small_cohort(np.array([0, 1, 0, 1]), images=images)
    with pytest.raises(InputError, match="nobody can tell"):
        training(audited=other)


def test_unreadable_images_are_set_aside():
    """A case whose image cannot be read is not learnt from, and is in the ledger."""
    whole = development(20)
    broken = ArrayImages(array=whole.images.array, broken={3: "torn file"})
    given = training(cohort=small_cohort(whole.targets, patients=np.arange(20), images=broken))
    assert len(given.cohort) == 19
    assert dict(given.cohort.ledger.set_aside) == {"torn file": 1}
