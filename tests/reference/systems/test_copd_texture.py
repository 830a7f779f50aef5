"""The texture classifiers: filters and neighbours by hand, what is learned, and the audited folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audit.cohorts import load_cohort  # noqa: E402
from audit.config import load_audit  # noqa: E402
from audit.core import Levels  # noqa: E402
from audit.models import load_model  # noqa: E402
from audit.reference._files import read_figures, read_metadata  # noqa: E402
from audit.reference._systems import all_systems, figures_of, weights_of  # noqa: E402
from audit.reference.systems.copd_texture import _bank, _cohorts, _curves, _figures, _folder, _instances, _learn, nets  # noqa: E402
from audit.stats import auc  # noqa: E402

NAMES = ("copd-texture", "future-copd")
INNER = (slice(6, 14),) * 3


def cube(function: object, side: int = 20) -> object:
    """Return a function of z, y and x in voxels as one region."""
    at = np.meshgrid(*[np.arange(side, dtype=np.float64)] * 3, indexing="ij")
    return torch.tensor(function(*at), dtype=torch.float32)[None]  # type: ignore[operator]


def maps(region: object, scale: float) -> dict[str, object]:
    """Return the inner part of every filter's answer."""
    found = _bank.feature_maps(region, (scale,))[0].view(-1, 20, 20, 20)  # type: ignore[arg-type]
    return {name: found[i][INNER] for i, name in enumerate(_bank.FILTERS)}


@pytest.mark.parametrize("scale", (0.6, 1.2))
def test_a_ramp_has_its_slope_and_no_curvature(scale: float) -> None:
    """3 z + 4 x rises by 5 a voxel, times the scale; nothing is curved, to 1e-3."""
    found = maps(cube(lambda z, y, x: 3 * z + 4 * x + 0 * y), scale)
    np.testing.assert_allclose(found["gradient"], 5 * scale, atol=1e-3)
    for name in ("laplacian", "first", "second", "third", "curvedness"):
        np.testing.assert_allclose(found[name], 0, atol=2e-3)


def test_a_parabola_has_its_curvatures() -> None:
    """x^2 - 3 y^2 / 2 has eigenvalues -3, 2 and 0, times the scale squared, Laplacian -1, curvedness root 13."""
    found = maps(cube(lambda z, y, x: x**2 - 1.5 * y**2 + 0 * z), 1.2)
    wanted = {"first": -3, "second": 2, "third": 0, "laplacian": -1, "curvedness": 13**0.5}
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value * 1.44, atol=5e-3, err_msg=name)


def test_eigenvalues_are_those_of_the_library() -> None:
    """200 symmetric matrices, from the largest magnitude down; to 1e-5."""
    m = torch.randn(200, 3, 3, generator=torch.Generator().manual_seed(1))
    m = m + m.transpose(1, 2)
    own, mixed = [m[:, i, i] for i in range(3)], [m[:, 0, 1], m[:, 0, 2], m[:, 1, 2]]
    theirs = torch.linalg.eigvalsh(m)
    theirs = theirs.gather(1, theirs.abs().argsort(dim=1, descending=True))
    np.testing.assert_allclose(torch.stack(_bank.eigenvalues(own, mixed), dim=1), theirs, atol=1e-5)


def test_histograms_do_not_know_how_a_region_is_turned() -> None:
    """Turned by 90 degrees and mirrored, a region has the same histogram of every filter, to 2 voxels in 4,096."""
    region = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(2)) * 50 - 860
    edges = torch.quantile(_bank.feature_maps(region)[0], torch.linspace(0, 1, 9)[1:-1], dim=1).T.contiguous()
    one, other = (
        _bank.histograms(_bank.feature_maps(r), edges) for r in (region, region.transpose(1, 3).flip(2).contiguous())
    )
    assert float((one - other).abs().max()) <= 2 / 16**3
    np.testing.assert_allclose(one.sum(dim=2), 1, atol=1e-6)
    np.testing.assert_allclose(one, 1 / 8, atol=2 / 16**3)


def brute(textures: np.ndarray, votes: np.ndarray, trust: np.ndarray, scans: int) -> np.ndarray:
    """Return shares of ill neighbours that are not of the own scan, one region at a time."""
    regions = len(textures) // scans
    out = np.zeros(len(textures))
    for i, own in enumerate(textures):
        others = np.flatnonzero(np.arange(len(textures)) // regions != i // regions)
        near = others[np.argsort(np.abs(textures[others] - own).sum(axis=1), kind="stable")[: nets.NEIGHBOURS]]
        out[i] = np.average(votes[near], weights=trust[near])
    return out.reshape(scans, regions)


@pytest.fixture(scope="module")
def learner() -> _learn.Learner:
    """Forty scans of two small regions; those of the ill are grainier."""
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2 == 0
    fine = rng.normal(size=(40, 2, 12, 12, 12))
    coarse = np.stack([np.roll(fine, s, axis=a) for a in (2, 3, 4) for s in (0, 1)]).mean(axis=0) * 2
    scans = -860 + 30 * np.where(labels[:, None, None, None, None], coarse, fine)
    return _learn.Learner(scans=scans, labels=labels, trust=rng.uniform(0.5, 1.5, 40))


def test_a_patient_is_no_neighbour_of_his_own(learner: _learn.Learner) -> None:
    """Left-out shares are those counted one region at a time; to 1e-6."""
    chosen = (0, 1, 9)
    textures = learner.textures[:, list(chosen)].flatten(1).numpy().astype(np.float64)
    whose = np.repeat(np.arange(40), 2)
    wanted = brute(textures, learner.labels[whose].astype(float), learner.trust[whose], 40)
    np.testing.assert_allclose(learner.left_out(chosen), wanted, atol=1e-6)


def test_risks_add_up_to_those_who_are_ill(learner: _learn.Learner) -> None:
    """The weighted mean of the fitted probabilities is the weighted share of positives; to 1e-6."""
    scores = np.random.default_rng(4).random(40)
    intercept, slope = learner.line(scores)
    risk = 1 / (1 + np.exp(-(intercept + slope * scores)))
    wanted = np.average(learner.labels, weights=learner.trust)
    assert np.average(risk, weights=learner.trust) == pytest.approx(wanted, abs=1e-6)


def test_the_network_answers_as_the_learner(learner: _learn.Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled with what was learned, it gives the logit of the mean share, and the risk of that; to 1e-3.

    Histograms are stored in half precision, so that neighbours at nearly the same distance may change places.
    """
    monkeypatch.setattr(nets, "PROTOTYPES", 80)
    tensors = learner.tensors()
    new = learner.scans[:10] + np.random.default_rng(5).normal(0, 3, learner.scans[:10].shape)
    score = learner.said(learner.textures_of(new), tuple(int(c) for c in tensors["chosen"]))
    logit = tensors["line"][0] + tensors["line"][1] * score
    said = []
    for net in (nets.texture_net(), nets.risk_net()):
        net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
        said.append(net.float()(torch.tensor(new, dtype=torch.float32))[:, 0].double().numpy())
    spread = abs(float(tensors["line"][1])) / (2 * nets.NEIGHBOURS)
    np.testing.assert_allclose(said[0], logit, atol=2.1 * spread)
    np.testing.assert_allclose(said[1], 1 / (1 + np.exp(-said[0])), atol=1e-6)
    assert auc(said[0], learner.labels[:10], np.arange(10), Levels()).value == 1.0


def test_one_ill_region_is_seen_by_the_maximum_and_by_miles() -> None:
    """Where one region of six is ill, both rank new scans better than 0.9."""
    rng = np.random.default_rng(6)
    bags = torch.tensor(rng.random((120, 6, 8)), dtype=torch.float32) * 0.2
    labels = np.arange(120) % 2 == 0
    bags[torch.tensor(labels), rng.integers(6)] += 0.5
    found = _instances.said_by(bags[:80], labels[:80], bags[80:], seed=1)
    assert set(found) == set(_instances.VARIANTS)
    for way in ("maximum", "miles"):
        assert auc(found[way], labels[80:], np.arange(40), Levels()).value > 0.9, way


def test_training_scans_of_the_future_have_a_known_status() -> None:
    """Whoever was lost before five years is weighted for, not learned from."""
    patients = _cohorts.patients_of("future-copd", seed=1, part=_cohorts.TRAIN, n=12)
    assert not patients.copd.any()
    cases, labels, trust = _cohorts.training_set("future-copd", seed=1, n=6)
    known = cases.of
    lost = ~cases.patients.event & (cases.patients.time < 5)
    assert not lost[known].any()
    np.testing.assert_array_equal(labels, cases.patients.event[known] & (cases.patients.time[known] <= 5))
    assert (trust[~labels] >= trust[labels].min()).all()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both folders, for twenty patients, of whom five are scanned again."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_folder.PATIENTS, "smoke", 20)
        patch.setitem(_folder.AGAIN, "smoke", 5)
        for name in NAMES:
            made[name] = tmp_path_factory.mktemp(name)
            _folder.write(name, made[name], weights=weights_of(all_systems()[name]), seed=3, profile="smoke")
    return made


@pytest.mark.parametrize(("name", "cases"), [("copd-texture", 30), ("future-copd", 25)])
def test_the_folder_is_an_audit(folders: dict[str, Path], name: str, cases: int) -> None:
    """Loader, cohort and model take it: a phantom of 20 patients, no case lost, an answer for each."""
    config = load_audit(folders[name] / "audit.toml")
    about = config.model
    cohort = load_cohort(config.cohort, config.root, task=about.task, classes=about.classes, input=about.input)
    assert cohort.phantom
    assert len(cohort) == cases
    assert cohort.n_patients == 20
    assert cohort.ledger.read == cohort.ledger.used
    assert {"densitometry", "age"} <= set(cohort.comparators)
    model = load_model(config.model, config.root)
    said = model.predict(np.stack([cohort.images.load(i) for i in range(3)]))  # type: ignore[union-attr]
    assert np.isfinite(said).all()
    assert np.ptp(said) > 0
    if name == "future-copd":
        assert 0 < said.min() < said.max() < 1


def test_the_cohort_does_not_depend_on_the_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    """The other system's weights leave every case as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_folder.PATIENTS, "smoke", 20)
        patch.setitem(_folder.AGAIN, "smoke", 5)
        other = weights_of(all_systems()["future-copd"])
        _folder.write("copd-texture", tmp_path, weights=other, seed=3, profile="smoke")
    for file in ("cases.csv", "scans.npz"):
        assert (tmp_path / file).read_bytes() == (folders["copd-texture"] / file).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_and_say_where_they_come_from(name: str) -> None:
    """Less than 300 kB, with operating point, filters, and the digest that the figures name."""
    file = weights_of(all_systems()[name])
    assert file.stat().st_size < 300_000
    about = read_metadata(file)
    assert 0 < float(about["operating_point"]) < 1
    assert len(about["filters"].split(", ")) == nets.CHOSEN
    assert about["tensors_sha256"] in figures_of(all_systems()[name]).read_text(encoding="utf-8")


def test_shipped_weights_reach_their_figures_on_other_patients() -> None:
    """The intervals of the AUC of 60 new patients and of the shipped one overlap, and those of densitometry do."""
    from safetensors.numpy import load_file

    tested = _cohorts.scanned(_cohorts.patients_of("copd-texture", seed=5, part=_cohorts.AUDIT, n=60))
    tensors = load_file(weights_of(all_systems()["copd-texture"]))
    shipped = {f.name: f for f in read_figures(figures_of(all_systems()["copd-texture"]))[1]}
    said = {"auc": _figures.answers(tensors, tested.regions), "auc, RA950": tested.density["ra950"]}
    for name, scores in said.items():
        found = auc(scores, tested.patients.copd, np.arange(60), Levels()).bounds(0.025)
        assert found is not None
        assert found[0] <= (shipped[name].high or 0), name
        assert found[1] >= (shipped[name].low or 1), name


def test_fewer_patients_share_the_bins(monkeypatch: pytest.MonkeyPatch, learner: _learn.Learner) -> None:
    """The first thirty of forty learn what thirty learn; fewer than the bins are learned of are refused."""
    monkeypatch.setattr(_learn, "EDGE_PATIENTS", 20)
    fresh = [
        _learn.Learner(scans=learner.scans[:n], labels=learner.labels[:n], trust=learner.trust[:n]) for n in (40, 30)
    ]
    np.testing.assert_array_equal(fresh[0].first(30).textures, fresh[1].textures)
    assert fresh[0].first(30).select() == fresh[1].select()
    with pytest.raises(ValueError, match="at least 20"):
        fresh[0].first(19)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "figures"), [("copd-texture", 4), ("future-copd", 2)])
def test_curves_are_measured_once(name: str, figures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell holds every way's figure with its seed and size; one that is there is not done again."""
    for key, value in (("SEEDS", (21,)), ("SIZES", (60,)), ("TESTED", 40)):
        monkeypatch.setattr(_curves, key, value)
    told: list[str] = []
    for _ in range(2):
        _curves.measure(name, tmp_path, say=told.append)
    assert len(told) == 1
    cell = json.loads((tmp_path / "21-60.json").read_text(encoding="utf-8"))
    assert (cell["seed"], cell["training_scans"], cell["phantom"]) == (21, 60, True)
    assert len(cell["figures"]) == figures
    assert all(0 <= f["low"] <= f["value"] <= f["high"] <= 1 for f in cell["figures"])
