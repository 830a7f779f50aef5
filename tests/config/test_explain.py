"""[audit.explain]: typed, checked against the known methods, and part of the digest where it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.core import ExplainSpec
from audit.errors import FaultsError, ModelError
from audit.session._open import with_own_map
from tests.config.test_attacks import given


def test_methods_are_known_by_name(tmp_path: Path) -> None:
    """A misspelt method is refused with the nearest one; repeats count once; the digest knows the table."""
    plain = given(tmp_path / "plain")
    asked = given(tmp_path / "asked", more='[audit.explain]\nmethods = ["rise", "rise", "saliency"]\nwindow_mm = 8\n')
    assert plain.explain == ExplainSpec()
    assert asked.explain == ExplainSpec(methods=("rise", "saliency"), window_mm=8.0)
    assert asked.digest != plain.digest
    with pytest.raises(FaultsError, match="did you mean 'grad_cam'"):
        given(tmp_path / "wrong", more='[audit.explain]\nmethods = "gradcam"\n')


@pytest.mark.parametrize(
    ("line", "said"), [("window_share = 1.5", "window_share"), ('own_map = "maps"', "module:function"), ("x = 1", "x")]
)
def test_what_does_not_fit_is_refused(tmp_path: Path, line: str, said: str) -> None:
    """A window larger than the image, a name without its module, an unknown key."""
    with pytest.raises(FaultsError, match=said):
        given(tmp_path, more=f"[audit.explain]\n{line}\n")


def test_the_own_map_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    """The function is found and keeps its parameters; one that is not there is an error that names the key."""
    (tmp_path / "own_maps.py").write_text("def attention(images, model):\n    return images[:, 0]\n")
    spec = with_own_map(ExplainSpec(own_map="own_maps:attention"), tmp_path)
    assert spec.own is not None
    assert spec.own.__name__ == "attention"
    assert with_own_map(ExplainSpec(), tmp_path).own is None
    with pytest.raises(ModelError, match="own_map"):
        with_own_map(ExplainSpec(own_map="own_maps:other"), tmp_path)
