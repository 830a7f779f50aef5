"""A threshold whose source names the audited cases is refused, and one from elsewhere is not."""

import pytest

from audit.session._source import names_audited


@pytest.mark.parametrize(
    "text",
    [
        "chosen on the audit set", "best F1 on the audited cases", "Youden's index on this cohort", "test set",
        "tuned on the testing data", "Youden on chest_2024", "from chest-2024.csv", "maximum over the manifest",
        "not on the validation split but on the audit set", "not calibrated, chosen on the test set",
    ],
)  # fmt: skip
def test_the_audited_cases_are_recognised(text):
    """By what they are called, or by the name of the cohort."""
    name = "chest-2024" if "-" in text else "chest 2024"
    assert names_audited(text, name, elsewhere=False)


@pytest.mark.parametrize(
    "text",
    [
        "", "validation split, 2026-01-01", "chosen beforehand", "held-out validation split of chest 2024",
        "fixed before the audit set was opened", "chosen without the test set", "external test set of another hospital",
        "manufacturer's manual", "0.5, given with --operating-point",
    ],
)  # fmt: skip
def test_other_cases_are_not(text):
    """Another split, another hospital, a denial, and a text that says nothing of cases."""
    assert not names_audited(text, "chest 2024", elsewhere=False)


def test_a_declared_origin_settles_a_doubtful_word():
    """The test set of an earlier study is no audited case; this cohort always is."""
    assert names_audited("Youden on the test set", "chest", elsewhere=False)
    assert not names_audited("Youden on the test set", "chest", elsewhere=True)
    assert names_audited("Youden on the audit set", "chest", elsewhere=True)
