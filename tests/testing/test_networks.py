"""Planted networks are what their names say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.core import DifferentiableModel
from audit.errors import InputError
from audit.metrics import lesion_counts
from audit.testing import HEADS, NETWORKS, head, linear_stands, network, network_cohort
from audit.testing._phantom import Signals, checkerboard, lesion_masks
from audit.testing._training import trained

torch.set_num_threads(1)

COHORT = network_cohort(np.random.default_rng(0))
IMAGES = np.stack([COHORT.images.load(i) for i in range(len(COHORT))])


def gradient(model, images):
    x = torch.as_tensor(images).requires_grad_()
    z = model.forward(x)
    if not z.requires_grad:
        return np.zeros_like(images)
    return torch.autograd.grad(z[:, -1].sum(), x)[0].numpy()


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "adversarially-trained"])
def test_every_network_is_a_model_with_gradients(name):
    """Each answers with finite numbers and says that it is a phantom; all but the useless one are good."""
    model = network(name)
    assert isinstance(model, DifferentiableModel)
    raw = model.predict(IMAGES)
    assert np.isfinite(raw).all()
    score = raw[:, -1] - (raw[:, 0] if raw.shape[1] == 2 else 0.5 if name == "saturated-probabilities" else 0)
    right = (score >= 0) == (COHORT.targets == 1)
    assert (right.mean() == 0.5) if name == "majority" else (right.mean() >= 0.8)
    assert model.card.phantom


def test_an_unknown_name_is_refused():
    """The message names what there is."""
    with pytest.raises(InputError, match="no planted network 'healthy'") as fault:
        network("healthy")
    assert "undefended" in str(fault.value.expected)
    with pytest.raises(InputError, match="no head"):
        head("two-headed", np.random.default_rng(0))


def test_two_networks_of_a_name_are_equal_and_share_nothing():
    """Equal digests; a change of one leaves the other as it was."""
    one, other = network("undefended"), network("undefended")
    assert one.state_digest() == other.state_digest()
    with torch.no_grad():
        next(one.module.parameters()).add_(1.0)
    assert one.state_digest() != other.state_digest()


def test_gradients_are_what_is_planted():
    """Zero, no number, of the wrong sign, or blind to what the answer rests on."""
    honest = gradient(network("undefended"), IMAGES[:4])
    assert (gradient(network("argmax-inside"), IMAGES[:4]) == 0).all()
    assert (gradient(network("quantised-3-bit"), IMAGES[:4]) == 0).all()
    assert np.isnan(gradient(network("nan-gradient"), IMAGES[:4])).all()
    assert gradient(network("reversed-gradient"), IMAGES[:4]) == pytest.approx(-honest, rel=1e-4)
    blind = gradient(network("detached-branch"), IMAGES[:4])
    assert (blind[..., :-4] == 0).all()
    assert (blind[..., -4:] != 0).all()
    assert gradient(network("saturated"), IMAGES[:4]) == pytest.approx(50 * honest, rel=1e-3)


@pytest.mark.parametrize("name", ["random-resize", "dropout-on"])
def test_a_restless_network_does_not_repeat_itself(name):
    """Two answers differ, a new network gives the first again, and torch's global generator is left as it was."""
    before = torch.random.get_rng_state()
    model = network(name)
    first = model.predict(IMAGES[:8])
    assert (model.predict(IMAGES[:8]) != first).any()
    assert (network(name).predict(IMAGES[:8]) == first).all()
    assert (torch.random.get_rng_state() == before).all()


def test_probabilities_saturate_where_planted():
    """All are 0 or 1 in float32 in one network; in the other they are probabilities of two classes."""
    raw = network("saturated-probabilities").predict(IMAGES)
    assert (np.isclose(raw, 0, atol=1e-12) | (raw == 1)).mean() >= 0.95
    two = network("softmax-as-logits")
    assert two.predict(IMAGES).sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert two.card.output == "logits"


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_closed_form_is_reached_and_not_passed(norm):
    """The worst perturbation of the size turns exactly the cases that are said to fall; a random one no other."""
    rng, model, epsilon = np.random.default_rng(1), network("linear"), 0.0015
    w = model.module.net.layer.weight.detach().numpy().astype(float).reshape(16, 16)
    worst = np.sign(w) if norm == "linf" else w / np.sqrt((w**2).mean())
    drawn = rng.choice([-1.0, 1.0], (len(IMAGES), 1, 16, 16))
    sign = np.where(COHORT.targets == 1, 1, -1)
    stands = linear_stands(IMAGES, COHORT.targets, epsilon, norm=norm)
    assert 0.1 < stands.mean() < 0.9
    under_worst = sign * model.predict(IMAGES - epsilon * sign[:, None, None, None] * worst)[:, 0] > 0
    assert (under_worst == stands).mean() >= 0.99
    assert (sign * model.predict(IMAGES + epsilon * drawn)[:, 0] > 0)[stands].all()


@pytest.mark.slow
def test_training_on_attacked_images_is_what_makes_the_trained_network_robust():
    """Trained plainly the same network prefers the fine signal, which an uniform shift against it undoes."""
    pattern, sign = Signals().patterns[0], np.where(COHORT.targets == 1, 1, -1)
    x = torch.as_tensor(IMAGES - (6 / 255 * sign)[:, None, None, None] * pattern, dtype=torch.float32)
    share = {}
    for robust in (False, True):
        net = trained(robust=robust)
        for given, images in (("clean", torch.as_tensor(IMAGES)), ("attacked", x)):
            score = net(images).detach().numpy()[:, 0]
            share[robust, given] = ((score > 0) == (sign > 0)).mean()
    assert min(share[False, "clean"], share[True, "clean"]) >= 0.9
    assert share[False, "attacked"] <= 0.1
    assert share[True, "attacked"] >= 0.8


@pytest.mark.parametrize("name", HEADS)
def test_every_head_has_its_cohort(name):
    """The model takes the cohort's images, all within [0, 1], in the shape that it declares."""
    model, cohort = head(name, np.random.default_rng(0), n=8)
    images = np.stack([cohort.images.load(i) for i in range(8)])
    assert images.shape[2:] == model.card.input.size
    assert images.min() >= 0
    assert images.max() <= 1
    raw = model.predict(images)
    assert len(raw) == 8
    assert np.isfinite(raw).all()


def test_fine_patterns_are_orthogonal_and_sum_to_nothing():
    """No pattern has a mean, or a part in another, in two and in three dimensions."""
    for shape, codes in (((16, 16), 3), ((8, 8, 8), 2)):
        flat = Signals(shape=shape, codes=codes).patterns.reshape(codes, -1)
        assert (flat.sum(axis=1) == 0).all()
        assert (flat @ flat.T == np.eye(codes) * flat.shape[1]).all()
    assert checkerboard((2, 2)).tolist() == [[1, -1], [-1, 1]]


def test_lesions_keep_apart():
    """No, one, one and two lesions of 5 x 5, whatever is drawn."""
    masks = lesion_masks(40, (24, 24), np.random.default_rng(0))
    counts = [lesion_counts(m, m).reference for m in masks]
    assert counts == [0, 1, 1, 2] * 10
    assert masks.sum(axis=(1, 2)).tolist() == [25 * c for c in counts]
