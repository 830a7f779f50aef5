"""Every case of the manifest is used or set aside with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from audit.core import BUDGETS
from audit.errors import InputError, ModelError
from audit.execution import NO_NUMBER, OUTSIDE, SEGMENTATION_COLUMNS, Silent, clean_predictions
from tests.execution._make import MeanModel, card, cohort


def ask(c, model=None, workers=1):
    return clean_predictions(model or MeanModel(card()), c, BUDGETS["smoke"], workers=workers, progress=Silent())


def test_the_ledger_adds_up():
    """An unreadable image, no number and a score outside [0, 1] are three reasons; what is left is used."""
    clean = ask(cohort([0.1, np.nan, 0.3, 1.5, 0.5, 0.6], unreadable=[0]))
    assert dict(clean.cohort.ledger.set_aside) == {"no target": 1, "image file not found": 1, NO_NUMBER: 1, OUTSIDE: 1}
    assert (clean.cohort.ledger.read, clean.cohort.ledger.used) == (7, 3)
    assert np.allclose(clean.predictions.scores, [0.3, 0.5, 0.6])
    assert clean.cohort.case_ids.tolist() == ["case-2", "case-4", "case-5"]
    assert clean.predictions.targets.tolist() == [0, 0, 1]


def test_scores_outside_the_unit_interval_are_never_clipped():
    """0 and 1 themselves are probabilities; what lies beyond is set aside, not moved."""
    clean = ask(cohort([0.0, 1.0, 1.0001, -0.0001]))
    assert clean.predictions.scores.tolist() == [0.0, 1.0]


def test_logits_may_have_any_size():
    """Only declared probabilities are held to [0, 1]."""
    model = MeanModel(card(output="logits"))
    assert len(ask(cohort([-5.0, 7.0]), model).cohort) == 2


def test_an_empty_rest_is_an_input_error_that_counts_the_reasons():
    """Nothing to audit is said with what was set aside."""
    with pytest.raises(InputError, match="no case is left") as caught:
        ask(cohort([2.0, 3.0], unreadable=[1]))
    assert "1 x image file not found" in str(caught.value)
    assert OUTSIDE in str(caught.value)


def test_workers_and_batches_do_not_change_a_number():
    """The same predictions and digest for one worker and for four."""
    c = cohort(np.linspace(0, 1, 71))
    one, four = ask(c), ask(c, workers=4)
    assert np.array_equal(one.predictions.raw, four.predictions.raw)
    assert one.cohort.digest == four.cohort.digest


def test_the_digest_covers_what_was_read():
    """Another pixel is another cohort, though the manifest is the same."""
    assert ask(cohort([0.1, 0.2])).cohort.digest != ask(cohort([0.1, 0.3])).cohort.digest


def test_a_model_that_fails_is_named_as_the_model():
    """An exception of the user's code becomes one message with its type."""

    class Broken(MeanModel):
        def predict(self, images):
            raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(ModelError, match="failed on a batch") as caught:
        ask(cohort([0.1]), Broken(card()))
    assert "RuntimeError: shapes cannot be multiplied" in str(caught.value)


def test_an_answer_of_another_length_is_refused():
    """One row a case, or nothing can be matched to anything."""

    class Short(MeanModel):
        def predict(self, images):
            return super().predict(images)[:-1]

    with pytest.raises(ModelError, match="shape"):
        ask(cohort([0.1, 0.2]), Short(card()))


def test_answers_of_two_widths_are_refused():
    """One number is never spread over the columns of another batch's two."""

    class Growing(MeanModel):
        def predict(self, images):
            return np.repeat(super().predict(images), 2 if images[0].mean() > 0.5 else 1, axis=1)

    with pytest.raises(ModelError, match="more outputs for some"):
        clean_predictions(
            Growing(card()), cohort([0.1, 0.9]), replace(BUDGETS["smoke"], batch_size=1), workers=1, progress=Silent()
        )


class MaskModel(MeanModel):
    def predict(self, images):
        return np.where(images > 0.5, 3.0, -3.0)


@dataclass(frozen=True)
class Pictures:
    images: np.ndarray

    def __len__(self):
        return len(self.images)

    def load(self, index):
        return self.images[index]


def test_masks_are_kept_as_numbers_of_each_case():
    """Hand-worked: 2 of 3 predicted pixels shared with a reference of 2 gives Dice 0.8 and volumes 3 and 2 x 4 mm²."""
    images, masks = np.zeros((2, 1, 4, 4), np.float32), np.zeros((2, 1, 4, 4), np.float32)
    images[0, 0, 1, :3] = 1.0
    masks[0, 0, 1, :2] = 1.0
    c = replace(
        cohort([0.0, 0.0]), images=Pictures(images), masks=Pictures(masks), spacing_mm=(2.0, 2.0), targets=np.zeros(2)
    )
    clean = ask(c, MaskModel(card(task="segmentation", output="mask_logits")))
    assert clean.predictions.columns == SEGMENTATION_COLUMNS
    assert clean.predictions.column("dice")[0] == pytest.approx(0.8)
    assert clean.predictions.raw[:, 3:5].tolist() == [[12.0, 8.0], [0.0, 0.0]]
    assert clean.predictions.raw[:, 5:].tolist() == [[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    assert np.isnan(clean.predictions.column("dice")[1])
    assert len(clean.cohort) == 2


def test_a_mask_of_another_size_is_set_aside():
    """Predicted and reference mask must lie on one grid."""
    images, masks = np.ones((2, 1, 4, 4), np.float32), [np.ones((1, 4, 4)), np.ones((1, 3, 4))]
    c = replace(cohort([0.0, 0.0]), images=Pictures(images), masks=Pictures(masks), targets=np.zeros(2))
    clean = ask(c, MaskModel(card(task="segmentation", output="mask_logits")))
    assert clean.cohort.ledger.set_aside["the model's mask has another size than the reference"] == 1
