"""The texture twins: one network for what numpy says, compositions as declared, a folder that can be audited."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit
from audit.models import load_model
from audit.reference import write_audit
from audit.reference._catalogue import weights_path
from audit.reference._files import read_figures, read_metadata
from audit.reference._systems import all_systems, figures_of
from audit.reference._texture import filter_bank
from audit.reference._writing import even_threshold
from audit.reference.systems.gender_confounding import _cells as cells
from audit.reference.systems.gender_confounding import recipe
from audit.reference.systems.gender_confounding.nets import HIGH, LOW, TextureNet
from audit.reference.systems.gender_confounding.recipe import COMPOSITION, tensors

TWINS = ("gender-biased", "gender-balanced")


@pytest.fixture(scope="module")
def few() -> object:
    """200 scans of a composition that no shipped model has seen."""
    return cells.cohort(cells.DEVELOPMENT, cells.BALANCED, 9, 100)


def test_the_network_measures_what_the_filter_bank_measures(few: object) -> None:
    """Moments of 200 scans agree with numpy to 2e-3 of their spread, but for those that are nothing but rounding."""
    import torch

    images = cells.images_of(few)
    net = TextureNet()
    said = net.moments(torch.from_numpy((images - LOW) / (HIGH - LOW)).float()).numpy()
    wanted = filter_bank(images)
    real = np.setdiff1d(np.arange(27), cells.EMPTY)
    np.testing.assert_allclose(((said - wanted) / wanted.std(axis=0))[:, real], 0, atol=2e-3)
    np.testing.assert_allclose(wanted[:, list(cells.EMPTY)], 0, atol=1e-5)


def test_the_network_answers_as_the_fitted_model(few: object) -> None:
    """Logits of the network with a model's tensors are the model's own, to a hundredth."""
    import torch

    images = cells.images_of(few)
    model = cells.learnt(images, few.targets, 0)
    net = TextureNet()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in tensors(model).items()})
    assert not tensors(model)["decide.weight"][0, list(cells.EMPTY)].any()
    with torch.no_grad():
        said = net(torch.from_numpy((images - LOW) / (HIGH - LOW)).float()).numpy()
    np.testing.assert_allclose(said, model.predict(images), atol=1e-2, rtol=1e-3)


def test_gradients_exist_where_an_image_is_flat() -> None:
    """A scan of one density has no gradient magnitude, and its slope is finite all the same."""
    import torch

    flat = torch.full((1, 4, 16, 16), 0.4, requires_grad=True)
    TextureNet()(flat).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_twins_differ_in_their_composition_alone() -> None:
    """Seed and names of the tensors are the same; the metadata hold the declared shares of men."""
    about = {name: read_metadata(weights_path(name)) for name in TWINS}
    assert len({a["seed"] for a in about.values()}) == 1
    assert {n: tuple(json.loads(a["composition"])) for n, a in about.items()} == COMPOSITION
    assert all(all_systems()[name].differs for name in TWINS)


def test_an_even_threshold_makes_both_rates_large() -> None:
    """Scores 0..9 of which 5..9 are positive are parted at 5; with one exception either way the smaller rate is 4/5."""
    labels = (np.arange(10) >= 5).astype(int)
    scores = np.arange(10.0)
    point = even_threshold(scores, labels)
    assert 4 < point <= 5
    labels[[4, 5]] = labels[[5, 4]]
    point = even_threshold(scores, labels)
    assert min((scores[labels == 1] >= point).mean(), (scores[labels == 0] < point).mean()) == pytest.approx(0.8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of both audits, of the smallest size."""
    root = tmp_path_factory.mktemp("gender")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipe.DEVELOPMENT, "smoke", 20)
        return {name: write_audit(name, root / name, profile="smoke").parent for name in TWINS}


def test_both_are_audited_on_the_same_patients(folders: dict[str, Path]) -> None:
    """Images, manifests and policy are equal byte for byte; audit.toml differs in name, weights and operating point."""
    biased, balanced = (folders[name] for name in TWINS)
    for file in ("scans.npy", "cases.csv", "development.npy", "development.csv", "policy.toml"):
        assert (biased / file).read_bytes() == (balanced / file).read_bytes()
    lines = [(f / "audit.toml").read_text().splitlines() for f in (biased, balanced)]
    changed = {a.split("=")[0].strip() for a, b in zip(*lines, strict=True) if a != b}
    assert {c for c in changed if not c.startswith("#")} == {"name", "path", "operating_point"}


@pytest.mark.parametrize("name", TWINS)
def test_the_shipped_weights_have_their_figures_in_the_audited_folder(folders: dict[str, Path], name: str) -> None:
    """On 1,200 audited patients AUC and score shift lie in the shipped intervals, widened by this cohort's own half."""
    from audit.core import Levels
    from audit.stats import auc

    config = load_audit(folders[name] / "audit.toml")
    cohort = load_cohort(
        config.cohort, config.root, task="binary", classes=config.model.classes, input=config.model.input
    )
    assert cohort.phantom
    model = load_model(config.model, config.root)
    logits = np.concatenate(
        [model.predict(np.stack([cohort.images.load(i) for i in range(k, k + 300)])) for k in range(0, 1200, 300)]
    )[:, 0]
    ill, male = cohort.targets == 1, cohort.attributes["sex"].levels == "male"
    shipped = {f.name: f for f in read_figures(figures_of(all_systems()[name]))[1]}
    for words, positive, rows in (
        ("AUC, biased test", ill, np.ones(1200, dtype=bool)),
        ("AUC of the score for men among the healthy, biased test", male, ~ill),
    ):
        found = auc(logits[rows], positive[rows], cohort.patients[rows], Levels())
        half = (found.bounds(0.025)[1] - found.bounds(0.025)[0]) / 2
        assert shipped[words].low - half <= found.value <= shipped[words].high + half


def test_a_biased_test_hides_what_a_balanced_one_shows() -> None:
    """The shipped figures: the biased twin looks better on biased data and is far worse on balanced data."""
    by_name = {n: {f.name: f for f in read_figures(figures_of(all_systems()[n]))[1]} for n in TWINS}
    biased, balanced = by_name["gender-biased"], by_name["gender-balanced"]
    assert biased["AUC, biased test"].low > balanced["AUC, biased test"].high
    assert biased["AUC, balanced test"].high < balanced["AUC, balanced test"].low
    shift = "AUC of the score for men among the healthy, balanced test"
    assert biased[shift].low > 0.9
    assert balanced[shift].low < 0.5 < balanced[shift].high
