"""The generated cohort: any size, no image in memory, every fact as it is said."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from audit.core import Predictions
from audit.errors import ReadError
from audit.evidence import Pseudonyms, _predictions, write_predictions
from audit.testing import generated_cohort, generated_network


def test_images_are_drawn_from_their_number_alone():
    """The same pixels from another cohort object and in any order; masks hold the lesion of positives and no other."""
    one, two = generated_cohort(300), generated_cohort(300)
    order = np.random.default_rng(0).permutation(300)
    assert all(np.array_equal(one.images.load(int(i)), two.images.load(int(i))) for i in order[:20])
    for i in order[:40]:
        image, mask = one.images.load(int(i)), one.masks.load(int(i))
        assert image.shape == mask.shape == (1, 24, 24)
        assert image.dtype == np.float32
        assert mask.sum() == (16 if one.targets[i] else 0)
        assert one.distractors["vessel"].load(int(i)).sum() == 16


def test_patients_have_one_to_three_cases_and_share_what_is_theirs():
    """Codes rise without a hole; site, sex, label and device are the patient's; there are sixty sites."""
    cohort = generated_cohort(4000)
    sizes = np.bincount(cohort.patients)
    assert set(sizes.tolist()) == {1, 2, 3}
    assert cohort.n_patients == len(cohort.patient_ids)
    assert len(cohort.attributes["site"].level_names()) == 60
    for values in (cohort.targets, *(cohort.attributes[k].levels for k in ("site", "sex", "age", "device"))):
        assert len(set(zip(cohort.patients.tolist(), values.tolist(), strict=True))) == cohort.n_patients


def test_the_network_reads_the_lesion():
    """Its AUC is 0.8 to 0.95, that of the brightness of the cell against that of the noise."""
    cohort = generated_cohort(1500)
    said = generated_network().predict(np.stack([cohort.images.load(i) for i in range(1500)]))
    assert 0.8 < roc_auc_score(cohort.targets, said[:, 0]) < 0.95


def test_one_image_of_two_thousand_is_broken():
    """It raises, as a file that is cut short does."""
    images = generated_cohort(2500).images
    with pytest.raises(ReadError):
        images.load(1999)
    assert images.load(1998).shape == (1, 24, 24)


def test_a_large_cohort_holds_no_image():
    """Twenty thousand cases take less than 20 MB; their pixels alone would take 46 MB more."""
    tracemalloc.start()
    cohort = generated_cohort(20_000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cohort) == 20_000
    assert held < 20e6


def test_predictions_are_written_in_groups_of_rows(tmp_path, monkeypatch):
    """Groups of 50 rows hold the same table as one group, cases that were set aside included."""
    cohort = generated_cohort(400)
    why = [None if i % 9 else "lost" for i in range(400)]
    used = cohort.set_aside(why, known=np.arange(400) % 2 == 0)
    raw = np.random.default_rng(0).normal(size=(len(used), 1))
    raw[3] = np.nan
    clean = Predictions(raw=raw, card=generated_network().card, targets=used.targets)
    conditions = [("linf epsilon=2", np.array([4, 9, 2]), raw[:3])]
    for name in ("whole", "groups"):
        write_predictions(tmp_path / name, used, clean, conditions, Pseudonyms(key=b"k" * 32))
        monkeypatch.setattr(_predictions, "ROWS", 50)
    whole, groups = pq.read_table(tmp_path / "whole"), pq.read_table(tmp_path / "groups")
    assert groups.equals(whole)
    assert groups.schema.equals(whole.schema, check_metadata=True)
    assert groups["output_0"].null_count == 1 + 45
    assert pq.ParquetFile(tmp_path / "whole").num_row_groups == 1
    assert pq.ParquetFile(tmp_path / "groups").num_row_groups >= 8
