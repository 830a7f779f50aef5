"""The code of three sequences: what its parts do, what its reader is given, and the folder in which it is audited."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit
from audit.models import load_model
from audit.reference import write_audit
from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of, weights_of
from audit.reference.phantoms import PatchKnobs
from audit.reference.systems.modality_invariant import _folder, _grid, _learning, _measuring, nets
from audit.reference.systems.modality_invariant._learning import TEST, TRAINING, Parts, Settings
from audit.reference.systems.modality_invariant.recipe import PARTS

TWINS = ("modality-invariant", "modality-naive")
TINY = Settings(patients=12, validation=8, test=24, epochs=1, batch=16, knobs=PatchKnobs(patches=2))


@pytest.fixture(scope="module")
def few() -> _learning.Table:
    return _learning.table(7, TEST, replace(Settings(), test=150))


def loaded(name: str) -> object:
    import torch
    from safetensors.torch import load_file

    net = {"modality-invariant": nets.invariant, "modality-naive": nets.naive}[name]()
    net.load_state_dict(load_file(weights_of(all_systems()[name])))
    assert isinstance(net, torch.nn.Module)
    return net.eval()


def test_an_absent_modality_has_no_say() -> None:
    """The code of T1 alone is the encoding of T1, and that of two modalities the mean of theirs; none gives 0."""
    import torch

    net = nets.invariant().eval()
    images = torch.rand(5, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        each = net.encodings(images)
        alone, pair = images.clone(), images.clone()
        alone[:, 1:], pair[:, 1] = 0, 0
        torch.testing.assert_close(net.code(alone), each[0])
        torch.testing.assert_close(net.code(pair), (each[0] + each[2]) / 2)
        assert not net.code(torch.zeros_like(images)).any()


def test_twins_have_one_architecture_but_for_the_normalisation() -> None:
    """Parameters are equal in name and shape; decoders give images back in their own shape."""
    import torch

    one, two = nets.invariant(), nets.naive()
    assert {k: v.shape for k, v in one.named_parameters()} == {k: v.shape for k, v in two.named_parameters()}
    assert nets.decoder()(torch.zeros(2, nets.CODE)).shape == (2, 1, nets.SIZE, nets.SIZE)
    assert PARTS["modality-invariant"] == Parts(similarity=True, normalised=True, dropout=True)
    assert PARTS["modality-naive"] == Parts(similarity=False, normalised=False, dropout=False)


def test_a_dropped_modality_is_never_the_last() -> None:
    """Every patch keeps one modality or more, and all seven subsets occur as often: 1,000 of 7,000, to 5 sigma."""
    import torch

    torch.manual_seed(0)
    kept = _learning._kept(7000)[:, :, 0]
    assert kept.sum(dim=0).min() == 1
    counts = np.bincount((kept * torch.tensor([1, 2, 4])[:, None]).sum(dim=0).int().numpy(), minlength=8)[1:]
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_the_similarity_term_is_the_mean_square_over_pairs() -> None:
    """Encodings 0, 1 and 3 everywhere are 1, 9 and 4 apart: 14 / 3."""
    import torch

    encodings = torch.tensor([0.0, 1.0, 3.0])[:, None, None].expand(3, 4, 5)
    assert float(_learning._distance(encodings)) == pytest.approx(14 / 3, rel=1e-6)


def test_learning_is_seeded() -> None:
    """One seed gives one network, another seed another."""
    given = _learning.table(1, TRAINING, TINY)
    parts = PARTS["modality-invariant"]
    one, two, other = (_learning.learn(parts, given, seed=s, settings=TINY).state_dict() for s in (1, 1, 2))
    assert all((one[k] == two[k]).all() for k in one)
    assert not all((one[k] == other[k]).all() for k in one)


def test_spread_knows_a_line_and_a_ball() -> None:
    """A code on a line has 1 dimension, one of 24 equal directions 24 (to 10 %); three encodings that
    differ by a hundredth share all but a ten-thousandth."""
    rng = np.random.default_rng(0)
    patients = np.arange(2000)
    table = _learning.Table(images=np.zeros((2000, 3, 1, 1), np.float32), lesion=patients % 2 == 0, patients=patients)
    ball = rng.normal(size=(2000, 24))
    line = np.outer(rng.normal(size=2000), np.ones(24))
    for code, dimensions in ((ball, 24), (line, 1)):
        each = {k: code + rng.normal(0, 0.01, code.shape) for k in _measuring.SINGLE}
        found = _measuring.spread(_measuring.Coded(table=table, codes=each), np.random.default_rng(1))
        assert found["dimensions"].value == pytest.approx(dimensions, rel=0.1)
        assert found["shared"].value == pytest.approx(1, abs=1e-3)
        assert found["sd"].value == pytest.approx(1, rel=0.05)


def test_a_leak_is_found_and_none_invented(few: _learning.Table) -> None:
    """Codes that differ by a constant a modality tell it always; equal codes never: within 0.06 of 0.5."""
    code = np.random.default_rng(0).normal(size=(len(few.lesion), 3))
    apart = {k: code + 5 * np.eye(3)[i] for i, k in enumerate(_measuring.SINGLE)}
    rng = np.random.default_rng(1)
    assert _measuring.leak(_measuring.Coded(table=few, codes=apart), 0, rng).value > 0.99
    noise = {k: np.random.default_rng(9 + i).normal(size=code.shape) for i, k in enumerate(_measuring.SINGLE)}
    assert _measuring.leak(_measuring.Coded(table=few, codes=noise), 0, rng).value == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", TWINS)
def test_shipped_weights_reach_their_figures(name: str, few: _learning.Table) -> None:
    """On 150 other patients the AUCs of the shipped reader lie within 0.06 of the shipped figures."""
    net = loaded(name)
    reader = _measuring.Reader(
        weights=net.reader.weight[0].double().detach().numpy(), offset=float(net.reader.bias.detach())
    )
    _, figures = read_figures(figures_of(all_systems()[name]))
    shipped = {f.name: f.value for f in figures}
    test = _measuring.coded(net, few, ((0,), (1, 2), (0, 1), (0, 1, 2)))
    for kept, code in test.codes.items():
        found = _measuring.ranked(reader(code), few).value
        assert found == pytest.approx(shipped[f"auc, {_measuring.words(kept)}"], abs=0.06), kept


def test_the_folder_is_one_that_the_suite_audits(tmp_path: Path) -> None:
    """Every patch is there twice, complete and as its exam was; the model answers, absent modalities are 0."""
    name = "modality-invariant"
    config = load_audit(write_audit(name, tmp_path / "audit", profile="smoke"))
    cohort = load_cohort(
        config.cohort, config.root, task="binary", classes=config.model.classes, input=config.model.input
    )
    patients = _folder.PATIENTS["smoke"]
    assert len(cohort) == 2 * patients
    assert cohort.phantom
    levels = cohort.attributes["sequences"].levels
    assert set(levels[:patients]) == {"T1+T2+FLAIR"}
    assert set(levels[patients:]) == {"T1+T2+FLAIR", "T2+FLAIR", "T1+FLAIR", "T1+T2"}
    for row in range(patients, patients + 12):
        there = cohort.images.load(row).reshape(3, -1).any(axis=1)
        assert "+".join(np.array(["T1", "T2", "FLAIR"])[there]) == levels[row]
    assert (cohort.targets[:patients] == cohort.targets[patients:]).all()
    model = load_model(config.model, config.root)
    assert model.predict(np.stack([cohort.images.load(i) for i in (0, patients)])).shape == (2, 1)


def test_the_ablation_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that is there is not learned again; the summary holds every combination, with an interval from 5 seeds."""
    said: list[str] = []
    monkeypatch.setattr(_grid, "CELLS", _grid.CELLS[:2])
    monkeypatch.setattr(_grid, "cell", lambda own, test, rng: {"auc": float(rng.random())})
    _grid.measure(tmp_path, say=said.append, settings=TINY)
    assert len(said) == 10
    _grid.measure(tmp_path, say=said.append, settings=TINY)
    assert len(said) == 10
    found = json.loads((tmp_path / "ablation.json").read_text())
    assert set(found["cells"]) == {"none", "dropout"}
    assert found["cells"]["none"]["auc"]["low"] < found["cells"]["none"]["auc"]["value"]
