"""`audit init`: two files that run as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Said

Audit = Callable[..., Said]


def test_init_then_run(audit: Audit, folder: Path) -> None:
    """What init writes runs as it is, and without a confirmed limit it ends INCONCLUSIVE."""
    (folder / "audit.toml").unlink()
    (folder / "policy.toml").unlink()
    code, out, _ = audit("init", "scores.csv", "--model", "scores.csv")
    assert code == 0
    assert "wrote audit.toml and policy.toml" in out
    assert "not what is acceptable" in out
    code, out, _ = audit("run", "audit.toml", "--profile", "smoke", "--out", "run1")
    assert code == 3
    assert (folder / "run1/report.html").is_file()


def test_init_never_overwrites(audit: Audit, folder: Path) -> None:
    """Either file that is there already stops it, unless --force is given."""
    before = (folder / "audit.toml").read_text()
    (folder / "policy.toml").unlink()
    code, _, err = audit("init", "scores.csv", "--model", "scores.csv")
    assert code == 2
    assert "--force" in err
    assert (folder / "audit.toml").read_text() == before
    assert not (folder / "policy.toml").exists()
    assert audit("init", "scores.csv", "--model", "scores.csv", "--force")[0] == 0
    assert (folder / "audit.toml").read_text() != before


def test_init_into_another_folder(audit: Audit, folder: Path) -> None:
    """Paths in the configuration are relative to where it is written."""
    (folder / "conf").mkdir()
    assert audit("init", "scores.csv", "--model", "scores.csv", "--out", "conf/a.toml")[0] == 0
    assert 'path = "../scores.csv"' in (folder / "conf/a.toml").read_text()
    assert audit("init", "scores.csv", "--model", "scores.csv", "--out", "nowhere/a.toml")[0] == 2
    assert audit("init", "scores.csv", "--model", "scores.csv", "--out", "policy.toml", "--force")[0] == 2


def test_init_on_wrong_paths(audit: Audit, folder: Path) -> None:
    """A manifest or a model that is not there is exit 2, and nothing is written."""
    for words in (("gone.csv", "--model", "scores.csv"), ("scores.csv", "--model", "gone.onnx")):
        code, _, err = audit("init", *words, "--out", "new.toml", "--force")
        assert code == 2
        assert len(err.splitlines()) <= 3
        assert not (folder / "new.toml").exists()
