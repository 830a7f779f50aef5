"""Further attacks and surrogates in audit.toml: checked before the run, typed, and part of the digest where given."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import AuditConfig, load_audit
from audit.errors import FaultsError
from tests.session._make import write

SURROGATE = """
[[audit.surrogate]]
relation = "other init"
kind = "torch"
path = "twin.safetensors"
factory = "nets:small"
"""


def given(folder: Path, *, audit: str = "", more: str = "") -> AuditConfig:
    """Return the configuration of a folder with further lines."""
    path = write(folder)
    path.write_text(path.read_text().replace("[audit]", f"[audit]\n{audit}") + more)
    return load_audit(path)


def test_names_are_those_of_the_catalogue(tmp_path: Path) -> None:
    """A misspelt name is refused with the nearest one; repeats are dropped; the digest knows the names."""
    plain = given(tmp_path / "plain")
    asked = given(tmp_path / "asked", audit='attacks = ["torchattacks:EADEN", "torchattacks:EADEN"]')
    assert plain.attacks == ()
    assert asked.attacks == ("torchattacks:EADEN",)
    assert asked.digest != plain.digest
    with pytest.raises(FaultsError, match="did you mean 'torchattacks:DeepFool'"):
        given(tmp_path / "wrong", audit='attacks = "torchattacks:Deepfool"')


def test_a_surrogate_is_declared_like_the_model(tmp_path: Path) -> None:
    """Task, output, classes and input are those of the audited model; file, factory and relation its own."""
    plain, asked = given(tmp_path / "plain"), given(tmp_path / "asked", more=SURROGATE)
    assert plain.surrogates == ()
    (surrogate,) = asked.surrogates
    assert surrogate.relation == "other init"
    assert (surrogate.model.kind, surrogate.model.path, surrogate.model.factory) == (
        "torch", "twin.safetensors", "nets:small",
    )  # fmt: skip
    assert surrogate.model.task == asked.model.task
    assert surrogate.model.input == asked.model.input
    assert asked.digest != plain.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"other init"', '"a cousin"', "relation"),
        ('kind = "torch"', 'kind = "callable"', "kind"),
        ('path = "twin.safetensors"\n', "", "path"),
    ],
)
def test_a_surrogate_that_cannot_be_attacked_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """An unknown relation, a kind without gradients and an absent file name are faults of the file."""
    with pytest.raises(FaultsError, match=said):
        given(tmp_path, more=SURROGATE.replace(old, new))
