"""`[training]` goes from the file to the probes, and what is wrong with it stops the run before it starts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import audit
from audit import session
from audit.config import load_audit
from audit.core import Access
from audit.errors import FaultsError, InputError
from audit.execution import why_not_applicable
from audit.testing import planted, tiny_cohort

CONFIG = """
[model]
kind = "callable"
factory = "recipes:answer"
task = "binary"
classes = ["negative", "positive"]
output = "logits"
operating_point = 0.5
[model.input]
range = [-8, 8]
size = [8, 8]
[cohort]
manifest = "cases.csv"
image = "file"
target = "label"
positive = ["1"]
patient = "patient"
[cohort.attributes]
sex = { role = "protected", also = ["confounder"], reason = "size" }
read = { role = "rater" }
[training]
recipe = "recipes:fit"
manifest = "train.csv"
target = 0.7
[audit]
profile = "smoke"
probes = "PERF001"
"""
RECIPES = """
import numpy as np


class Centre:
    def __init__(self, sign):
        self.sign = sign

    def predict(self, images):
        return self.sign * images[:, 0, 3:6, 3:6].mean(axis=(1, 2))[:, None]


def fit(images, targets, seed):
    centre = images[:, 0, 3:6, 3:6].mean(axis=(1, 2))
    return Centre(np.sign(np.corrcoef(centre, targets)[0, 1]))


def answer(images):
    return Centre(1.0).predict(images)
"""


def write(folder: Path, *, config: str = CONFIG, shared: int = 0) -> Path:
    """Write a configuration with two manifests that share some patients."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, first in (("cases", 1, 0), ("train", 2, 200 - shared)):
        cohort = tiny_cohort(np.random.default_rng(seed), n=200)
        np.savez(folder / f"{name}.npz", images=cohort.images.array.astype(np.float32))
        with (folder / f"{name}.csv").open("w", newline="") as f:
            rows = csv.writer(f)
            more = ["read"] if name == "cases" else []
            rows.writerow(["file", "label", "patient", "sex", *more])
            for i in range(200):
                sex = cohort.attributes["sex"].levels[i]
                label = int(cohort.targets[i])
                rows.writerow([f"{name}.npz#images[{i}]", label, f"p{first + i}", sex, *([label] if more else [])])
    (folder / "recipes.py").write_text(RECIPES)
    (folder / "audit.toml").write_text(config)
    return folder / "audit.toml"


def test_the_evidence_says_what_was_trained_on(tmp_path: Path) -> None:
    """Recipe, cohort and counts are in the run, and the digest of the configuration covers them."""
    path = write(tmp_path)
    config = load_audit(path)
    run = session.run_config(config, out=tmp_path / "out")
    said = run.run["training"]
    assert (said["recipe"], said["n"], said["n_patients"], said["target"]) == ("recipes:fit", 200, 200, 0.7)
    assert said["weighted"] is False
    plain = load_audit(write(tmp_path / "b", config=CONFIG.replace("target = 0.7", "target = 0.8")))
    assert plain.digest != config.digest


def test_patients_in_both_manifests_stop_the_run(tmp_path: Path) -> None:
    """Ten of the development patients are audited, too: exit code 2 with the count, and no folder."""
    config = load_audit(write(tmp_path, shared=10))
    with pytest.raises(InputError) as caught:
        session.run_config(config, out=tmp_path / "out")
    assert "10 of 200 patients" in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"recipes:fit"', '"recipes.fit"', "training.recipe"),
        ('manifest = "train.csv"', 'manifest = "cases.csv"', "training.manifest: the manifest of the audited cases"),
        ('manifest = "train.csv"', 'manifest = "trian.csv"', "did you mean 'train.csv'"),
        ('patient = "patient"\n', "", "cohort.patient: missing"),
        ("target = 0.7", "seconds = 0", "training.seconds"),
        ("target = 0.7", "tarket = 0.7", "tarket"),
        ("sex = {", "size = {", "no column 'size' in train.csv"),
    ],
)
def test_faults_of_the_table_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A wrong form, the audited manifest, an absent file, key or column, and a time of nothing."""
    with pytest.raises(FaultsError) as caught:
        load_audit(write(tmp_path, config=CONFIG.replace(old, new)))
    assert said in str(caught.value)


def test_the_same_from_python(tmp_path: Path) -> None:
    """`make_training` checks the development cohort against model and audited cohort, and `run` takes it."""
    model, audited = planted(), tiny_cohort(np.random.default_rng(0), n=200)

    def recipe(images, targets, seed):  # type: ignore[no-untyped-def]
        return planted()

    with pytest.raises(InputError, match="patients of the audited cohort"):
        session.make_training(recipe, tiny_cohort(np.random.default_rng(1), n=60), model, audited=audited)
    images = audited.images.array  # type: ignore[union-attr]
    development = audit.load_cohort(
        images, task="binary", targets=audited.targets, patients=[f"other {i}" for i in range(200)]
    )
    training = session.make_training(recipe, development, model, audited=audited)
    run = audit.run(model, audited, training=training, probes="PERF001", profile="smoke", out=tmp_path / "out")
    assert run.run["training"]["n"] == 200


def test_a_recipe_opens_retraining_and_nothing_else() -> None:
    """A probe of access TRAINABLE runs only with a recipe, and one that wants gradients is not helped by it."""
    from audit.probes import catalogue

    info = catalogue().probes["ADV001"].info
    model, cohort = planted(), tiny_cohort(np.random.default_rng(0), n=20)
    assert "gradients" in why_not_applicable(info, model, cohort, trainable=True)
    from dataclasses import replace

    trains = replace(info, access=Access.TRAINABLE)
    assert "recipe" in why_not_applicable(trains, model, cohort)
    assert why_not_applicable(trains, model, cohort, trainable=True) == ""


def test_a_run_that_trains_can_be_made_again(tmp_path: Path) -> None:
    """Two runs with one seed have one digest; what was trained is bounded by the profile, which the evidence has."""
    config = load_audit(write(tmp_path, config=CONFIG.replace('"PERF001"', '"PERF007,DATA011"')))
    runs = [session.run_config(config, out=tmp_path / name) for name in ("one", "two")]
    assert runs[0].run["evidence_digest"] == runs[1].run["evidence_digest"]
    states = {r.probe: r.state for r in runs[0].results if r.probe in ("PERF007", "DATA011")}
    assert states == {"PERF007": "completed", "DATA011": "completed"}
    assert runs[0].run["budget"]["trainings"] == 60


def test_a_recipe_that_fails_bars_a_pass(tmp_path: Path) -> None:
    """The probe ends in error with the recipe's message, and the verdict is not PASS."""
    path = write(tmp_path, config=CONFIG.replace('"PERF001"', '"PERF007"'))
    (tmp_path / "recipes.py").write_text(
        RECIPES.replace("    centre", "    raise RuntimeError('no licence')\n    centre", 1)
    )
    run = session.run_config(load_audit(path), out=tmp_path / "out")
    (failed,) = [r for r in run.results if r.probe == "PERF007"]
    assert failed.state == "error"
    assert "no licence" in failed.reason
    assert run.verdict.outcome != "PASS"
