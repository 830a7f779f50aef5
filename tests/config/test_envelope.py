"""`[envelope]` of audit.toml is typed, whole, and of knobs that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import load_audit
from audit.core import Envelope, KnobRange
from audit.errors import FaultsError
from tests.session._make import write

GIVEN = """
[envelope]
tolerated_drop = 0.05
[envelope.knobs]
photo_noise = { range = [0, 0.05], source = "survey", undiagnostic_beyond = 0.3 }
photo_exposure = { range = [-1, 1], source = "survey" }
"""


def given(folder: Path, more: str, *, modality: str = "photo") -> Path:
    path = write(folder)
    text = path.read_text()
    if modality:
        text += f'\n[model.input]\nmodality = "{modality}"\n' if "[model.input]" not in text else ""
        text = text.replace("[model.input]\n", f'[model.input]\nmodality = "{modality}"\n', 1)
        text = text.replace(f'modality = "{modality}"\nmodality = "{modality}"', f'modality = "{modality}"')
    path.write_text(text + more)
    return path


def test_it_is_typed_and_part_of_the_digest(tmp_path: Path) -> None:
    """Ranges, sources and the tolerated loss arrive as they are; a file without the table keeps its digest."""
    plain, asked = load_audit(given(tmp_path / "a", "")), load_audit(given(tmp_path / "b", GIVEN))
    assert plain.envelope == Envelope()
    assert not plain.envelope
    assert asked.envelope == Envelope(
        tolerated_drop=0.05,
        knobs={
            "photo_noise": KnobRange(low=0.0, high=0.05, source="survey", undiagnostic_beyond=0.3),
            "photo_exposure": KnobRange(low=-1.0, high=1.0, source="survey"),
        },
    )
    assert asked.digest != plain.digest


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ("photo_noise", "photo_noize", "did you mean 'photo_noise'"),
        ("photo_noise", "mr_noise", "of another modality"),
        ("[0, 0.05]", "[0.01, 0.05]", "with 0 among them"),
        ("[0, 0.05]", "[-0.05, 0.05]", "cannot be taken out"),
        ("[0, 0.05]", "[0, 0.9]", "from 0 to 0.5"),
        ("[0, 0.05]", "[0, 0]", "the lower one first"),
        ('source = "survey", ', 'source = "", ', "source"),
        ('source = "survey", ', "", "source"),
        ("beyond = 0.3", "beyond = 0.01", "at least 0.05"),
        ("tolerated_drop = 0.05", "tolerated_drop = 0", "tolerated_drop"),
        ("tolerated_drop = 0.05", "tolerated = 0.05", "tolerated_drop"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, was: str, is_now: str, said: str) -> None:
    """Each fault names what was expected."""
    with pytest.raises(FaultsError, match=said):
        load_audit(given(tmp_path, GIVEN.replace(was, is_now, 1)))


def test_knobs_need_a_modality(tmp_path: Path) -> None:
    """Without one nobody knows how the images are acquired."""
    path = given(tmp_path, GIVEN, modality="")
    path.write_text(path.read_text().replace('modality = "photo"\n', ""))
    with pytest.raises(FaultsError, match="no modality is declared"):
        load_audit(path)
