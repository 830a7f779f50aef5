"""The calcification twins: the network's floor, what each is taught, the folder of the audit, the shipped figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

from audit.cohorts import load_cohort
from audit.config import load_audit, load_policy
from audit.reference import _systems
from audit.reference._files import read_figures
from audit.reference.phantoms import SkullBaseVolumes
from audit.reference.systems.calcification import SYSTEMS, _folder
from audit.reference.systems.calcification import _training as training
from audit.reference.systems.calcification._measured import figures
from audit.reference.systems.calcification.nets import NETS, CalcificationNet, calcification_net, large_net

TINY = training.Settings(patients=2, passes=1, batch=2)


def quiet(text: str) -> None:
    """Say nothing."""


def test_the_network_keeps_size_and_floor() -> None:
    """One logit a voxel; at 129 HU none is above 0 whatever the weights, at 131 HU one of +9 before the floor is."""
    net = calcification_net().eval()
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.constant_(net.head.bias, 9.0)
    for hu, marked in ((129.0, False), (131.0, True)):
        image = torch.full((2, 1, 8, 8, 12), (hu + 200) / 1200)
        with torch.inference_mode():
            logits = net(image)
        assert logits.shape == image.shape
        assert bool((logits >= 0).all()) is marked
        assert float(logits.max()) == pytest.approx((hu - 130) / 25, abs=1e-4)


def test_below_130_hu_nothing_is_learnt() -> None:
    """The loss is the same whatever the mask says of voxels below the floor, and not of those above."""
    torch.manual_seed(0)
    net = CalcificationNet().eval()
    image = torch.full((1, 1, 8, 8, 8), 0.1)
    image[..., :4] = 0.9
    mask = torch.zeros_like(image)
    below, above = mask.clone(), mask.clone()
    below[..., 6] = 1
    above[..., 2] = 1
    plain, same, other = (training._loss(net, image, m, 0.4).item() for m in (mask, below, above))
    assert same == plain
    assert other != plain


def test_dropout_never_touches_the_skip() -> None:
    """With every channel of the branch dropped a block still passes its input on."""
    block = CalcificationNet(dropout=1.0).bottom.train()
    x = torch.rand(1, 16, 4, 4, 4)
    torch.testing.assert_close(block(x), torch.relu(block.skip(x)))


def test_the_twin_wipes_small_marks_off() -> None:
    """Of a block of 60 voxels and one of 8 the first stays marked; the network without that step keeps both."""
    plain, large = calcification_net().eval(), large_net().eval()
    for net in (plain, large):
        # Whatever is above the floor is marked.
        torch.nn.init.zeros_(net.head.weight)
        torch.nn.init.constant_(net.head.bias, 9.0)
    image = torch.zeros(1, 1, 12, 16, 32)
    image[..., 2:5, 4:9, 4:8] = 1.0
    image[..., 2:4, 4:6, 20:22] = 1.0
    with torch.inference_mode():
        kept, left = plain(image) >= 0, large(image) >= 0
    assert int(kept.sum()) == 68
    assert int(left[..., :16].sum()) == 60
    assert int(left[..., 16:].sum()) == 0


def test_twins_have_the_same_weights() -> None:
    """Names and shapes fit either, and the shipped files hold the same numbers."""
    assert list(calcification_net().state_dict()) == list(large_net().state_dict())
    one, other = (load_file(_systems.weights_of(system)) for system in SYSTEMS)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_the_same_seed_gives_the_same_weights() -> None:
    """Bit for bit; another seed gives others."""
    one, again, other = (training.fit(TINY, seed=seed, say=quiet).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_no_patient_is_in_two_parts() -> None:
    """Training, test and audit of one seed are of other patients."""
    first = {
        SkullBaseVolumes(patients=1, seed=(1, part)).scan(0).image.tobytes()
        for part in (training.TRAINING, training.TEST, training.AUDIT)
    }
    assert len(first) == 3


def test_the_folder_of_the_audit_is_read_like_a_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans, masks, readers, rescans and planes are there for every case, and the configuration has no fault."""
    from safetensors.torch import save_file

    monkeypatch.setitem(_folder.SIZES, "smoke", (5, 2))
    weights = tmp_path / "any.safetensors"
    save_file(calcification_net().state_dict(), weights)
    folder = tmp_path / "audit"
    folder.mkdir()
    _folder.write("calcification", folder, weights=weights, seed=3, profile="smoke")
    spec = load_audit(folder / "audit.toml")
    cohort = load_cohort(
        spec.cohort, folder, task=spec.model.task, classes=spec.model.classes, input=spec.model.input
    )  # fmt: skip
    assert (len(cohort), cohort.n_patients) == (7, 5)
    assert cohort.phantom
    assert set(cohort.raters) == {"reader_2", "reader_3", "reader_4"}
    # The second and the fourth row are rescans, which nobody read.
    assert np.flatnonzero(np.isnan(cohort.raters["reader_2"])).tolist() == [1, 3]
    volumes = SkullBaseVolumes(patients=5, seed=(3, training.AUDIT), knobs=_folder.KNOBS)
    np.testing.assert_array_equal(cohort.images.load(4)[0], volumes.scan(2).image)
    np.testing.assert_array_equal(cohort.masks.load(1)[0], volumes.rescan(0).plaques)
    np.testing.assert_array_equal(cohort.distractors["ligament"].load(4)[0], volumes.scan(2).spicules)


def test_attacks_are_of_the_first_patients_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """attacks.toml reads pieces that hold the largest plaque, and its policy asks only for what its probes measure."""
    from safetensors.torch import save_file

    monkeypatch.setitem(_folder.SIZES, "smoke", (18, 2))
    weights, folder = tmp_path / "any.safetensors", tmp_path / "audit"
    save_file(large_net().state_dict(), weights)
    folder.mkdir()
    _folder.write("calcification-large", folder, weights=weights, seed=3, profile="smoke")
    spec = load_audit(folder / "attacks.toml")
    few, every = (
        load_cohort(c.cohort, folder, task=c.model.task, classes=c.model.classes, input=c.model.input)
        for c in (spec, load_audit(folder / "audit.toml"))
    )
    assert (len(few), few.n_patients, len(every)) == (16, 16, 20)
    # The third row of all is the first scan of the second patient.
    piece, mask, whole = few.images.load(1)[0], few.masks.load(1)[0], every.images.load(2)[0]
    assert piece.shape == mask.shape == _folder.PIECE
    places = np.lib.stride_tricks.sliding_window_view(whole, piece.shape)
    ((z, y, x),) = np.argwhere((places == piece).all(axis=(3, 4, 5)))
    cut = every.masks.load(2)[0][z : z + 12, y : y + 20, x : x + 24]
    np.testing.assert_array_equal(mask, cut)
    assert mask.any()
    asked = {rule.probe for rule in load_policy(folder / "attacks.policy.toml").rules}
    assert asked == {"ADV001", "XAI001", "DATA003", "SETUP002"}
    assert asked.isdisjoint({"PERF001", "CONF008"})


@pytest.mark.parametrize("net", [calcification_net(), large_net()], ids=["plain", "large"])
def test_answers_hang_on_no_batch(net) -> None:
    """Five volumes at once, one by one, and with gradients asked for give the same logits, to 1e-5 of a logit."""
    torch.manual_seed(0)
    images = torch.rand(5, 1, 8, 8, 12)
    net.eval()
    whole = net(images).detach()
    with torch.inference_mode():
        pieces, alone = net(images), torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_the_shipped_weights_reach_their_figures(system) -> None:
    """On the first 30 of the test patients every interval holds the figure that is shipped."""
    net = NETS[system.name]()
    net.load_state_dict(load_file(_systems.weights_of(system)))
    seed, shipped = read_figures(_systems.figures_of(system))
    measured = {f.name: f for f in figures(net.eval(), seed=seed, patients=30)}
    for figure in shipped:
        some = measured[figure.name]
        assert some.low <= figure.value <= some.high
