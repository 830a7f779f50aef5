"""The network that points at what it counts: its map, its figures and its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit
from audit.models import load_model
from audit.reference import write_audit
from audit.reference._counting import Counting, agreement, answers, erased, learn_counts
from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of, weights_of
from audit.reference.phantoms import SpacesTable, scanned
from audit.reference.systems.gp_unet import _curves, _folder, _learning, _measuring, nets

FULL = 4095.0


@pytest.fixture(scope="module")
def few() -> SpacesTable:
    return scanned(_learning.cohort(30, seed=5, part=_learning.TEST, knobs=_learning.Settings().knobs))


@pytest.fixture(scope="module")
def net() -> Any:
    from safetensors.torch import load_file

    made = nets.gp_unet()
    made.load_state_dict(load_file(weights_of(all_systems()["gp-unet"])))
    return made.eval()


def test_the_map_adds_up_to_the_count(net: Any, few: SpacesTable) -> None:
    """The sum of the map over all voxels and the bias of the last layer are the answer, to 1e-3."""
    total = _learning.maps_of(net, few).sum(axis=(1, 2, 3)) + float(net.counts.bias.detach())
    np.testing.assert_allclose(total, answers(net, few.images, full=FULL)[:, 0], atol=1e-3)


def test_sharing_out_loses_nothing_at_the_border() -> None:
    """The map of a fresh network adds up to its evidence on noise that fills the volume, to 1e-4 of its size."""
    import torch

    fresh, x = nets.gp_unet().eval(), torch.rand((3, 1, 8, 12, 8), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        evidence, spread = fresh.evidence(x), fresh.attention_map(x)
    whole = float(evidence.abs().sum())
    assert whole > 0
    assert float((evidence.sum(dim=(1, 2, 3)) - spread.sum(dim=(1, 2, 3))).abs().max()) < 1e-4 * whole
    assert not np.allclose(spread, evidence, atol=1e-3 * float(evidence.abs().max()))


def test_erased_scans_are_filled_from_what_is_kept() -> None:
    """What is kept stays as it was; the rest lies within what is kept and the noise; shares differ."""
    images = np.random.default_rng(3).uniform(0.2, 0.4, (30, 8, 8, 8)).astype(np.float32)
    images[:, :4] += 0.4
    kept, less = erased(images, np.random.default_rng(0))
    np.testing.assert_array_equal(less[kept], images[kept])
    assert less[~kept].min() > 0.1
    assert less[~kept].max() < 0.9
    shares = kept.mean(axis=(1, 2, 3))
    assert shares.min() < 0.2
    assert shares.max() > 0.8
    np.testing.assert_array_equal(erased(images, np.random.default_rng(0))[1], less)


def _taught(**how: Any) -> Any:
    """Return a network after a few steps on noise with bright bars, and what it was shown."""
    import torch

    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, 24)
    images = rng.integers(800, 1200, (24, 8, 8, 8)).astype(np.uint16)
    for i, count in enumerate(counts):
        for k in range(count):
            images[i, 2 * k, 3:5, 2:6] = 3000
    torch.manual_seed(0)
    made = learn_counts(
        nets.gp_unet(), images, counts, np.zeros(24, dtype=np.int64), full=FULL, seed=1,
        settings=Counting(epochs=6, batch=6, **how),
    )  # fmt: skip
    return made, torch.as_tensor(images[:, None].astype(np.float32) / FULL)


def test_sparsity_leaves_less_evidence() -> None:
    """With a high price on evidence a scan adds up to less of it, by absolute value, than with a low one."""
    import torch

    totals = []
    for price in (0.001, 3.0):
        made, x = _taught(sparsity=price)
        with torch.inference_mode():
            totals.append(float(made.evidence(x).abs().sum()))
    assert totals[1] < 0.8 * totals[0]


def test_what_is_left_of_an_erased_scan_counts_as_it_did() -> None:
    """Taught with erased scans, a network errs less on them, held against its own evidence of what is kept."""
    import torch

    errors = []
    for how_many in (0, 6):
        made, x = _taught(sparsity=0.01, erased=how_many)
        kept, less = erased(x[:, 0].numpy(), np.random.default_rng(5))
        with torch.inference_mode():
            left = made.total(made.evidence(x) * torch.as_tensor(kept))
            errors.append(float(((made(torch.as_tensor(less[:, None])) - left) ** 2).mean()))
    assert errors[1] < errors[0]


def test_the_map_has_the_size_of_the_image(net: Any, few: SpacesTable) -> None:
    """No interpolation: one number a voxel."""
    assert _learning.maps_of(net, few).shape == few.images.shape


def test_all_spaces_of_the_region_are_counted(few: SpacesTable) -> None:
    """No plane is read: observers count what the region holds."""
    assert (few.planes == -1).all()
    assert np.corrcoef(few.readings[:, 0], few.there)[0, 1] > 0.8


def test_marks_are_the_lesions_that_a_map_hits(few: SpacesTable) -> None:
    """A map that is the mask itself hits every space with no false mark; a flat one marks nothing."""
    right = _measuring.marks_of(few.masks[:, 0].astype(np.float64), few)
    assert np.isfinite(right.lesion_scores).mean() > 0.97
    assert right.false_scores.size == 0
    nothing = _measuring.marks_of(np.zeros(few.images.shape), few)
    assert nothing.false_scores.size == 0
    assert not np.isfinite(nothing.lesion_scores).any()


def test_shipped_weights_reach_their_shipped_figures(net: Any, few: SpacesTable) -> None:
    """On other patients count and map have intervals that meet the shipped ones; the map finds more than brightness."""
    from audit.core import Levels
    from audit.stats import RATES, froc_curve, froc_sensitivity

    _, shipped = read_figures(figures_of(all_systems()["gp-unet"]))
    known = {f.name: f for f in shipped}
    maps = _measuring.maps(net, few)
    marks = {name: _measuring.marks_of(values, few) for name, values in maps.items()}
    rng = np.random.default_rng(0)
    found = {
        "icc with observer 1": agreement(answers(net, few.images, full=FULL)[:, 0], few.readings[:, 0]),
        "froc area, own map": froc_sensitivity(
            marks["own map"], np.arange(len(few)), Levels(), rng, rates=RATES, resamples=200
        ),
    }
    for name, estimate in found.items():
        low, high = estimate.bounds(0.025) or (2.0, -2.0)
        assert low < (known[name].high or -2), name
        assert high > (known[name].low or 2), name
    assert froc_curve(marks["own map"]).mean() > froc_curve(marks["brightness"]).mean()


def test_the_folder_is_one_that_an_audit_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cohort and model load, with masks, distractors, raters and repeats; the network has a map of its own."""
    monkeypatch.setattr(_folder, "PATIENTS", {"smoke": 6})
    monkeypatch.setattr(_folder, "RESCANS", {"smoke": 2})
    monkeypatch.setattr(_folder, "SCALED_ON", 6)
    config = load_audit(write_audit("gp-unet", tmp_path / "gp", profile="smoke"))
    cohort = load_cohort(config.cohort, config.root, task="regression", classes=(), input=config.model.input)
    model = load_model(config.model, config.root)
    assert (len(cohort), cohort.n_patients) == (8, 6)
    assert cohort.phantom
    assert set(cohort.distractors) == {"white matter lesion", "lacune"}
    assert cohort.annotated_planes is None
    assert cohort.images is not None
    images = np.stack([cohort.images.load(0), cohort.images.load(1)])
    assert model.predict(images).shape == (2, 1)
    from audit.explain import own_map_of

    assert own_map_of(model) is not None


def test_curves_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that has a file is not measured again."""
    monkeypatch.setattr(_curves, "cell", lambda size, seed: {"patients": size, "seed": seed})
    monkeypatch.setattr(_curves, "SIZES", (4, 8))
    monkeypatch.setattr(_curves, "SEEDS", (1,))
    (tmp_path / "gp-unet-0004-1.json").write_text('{"there": true}', encoding="utf-8")
    _curves.curves("gp-unet", tmp_path, say=lambda _: None)
    assert "there" in (tmp_path / "gp-unet-0004-1.json").read_text(encoding="utf-8")
    assert (tmp_path / "gp-unet-0008-1.json").is_file()
