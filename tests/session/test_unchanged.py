"""A cohort that changes while it is audited ends the audit: no number stands on two contents of one file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.core import Cohort, Policy, SeenView, image_digest
from audit.errors import StorageError
from audit.session import load_cohort, load_model
from audit.session._run import Options, Run, audit_model

N, SIDE = 24, 8
INPUT = {"size": [SIDE, SIDE], "channels": 1, "range": [0, 255]}


def cohort(folder: Path) -> Cohort:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, N)
    lines = ["case,patient,label,image,mask"]
    for i in range(N):
        pixels = np.clip(rng.normal(100, 30, (SIDE, SIDE)) + 25 * labels[i], 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        Image.fromarray(np.eye(SIDE, dtype=np.uint8)).save(folder / f"{i}-mask.png")
        lines.append(f"c{i},p{i},{labels[i]},{i}.png,{i}-mask.png")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return load_cohort(
        "cases.csv", task="binary", root=folder, input=INPUT, case="case", patient="patient", target="label",
        positive="1", image="image", mask="mask",
    )  # fmt: skip


def audited(folder: Path, after: Callable[[], None], probes: str) -> Run:
    """Audit with a model at whose last clean case something happens."""
    cases, asked = cohort(folder), [0]

    def bright(images: np.ndarray) -> np.ndarray:
        asked[0] += len(images)
        if asked[0] == N:
            after()
        return 1 / (1 + np.exp(-(images.reshape(len(images), -1).mean(1, keepdims=True) - 112) / 8))

    model = load_model(
        bright, task="binary", output="probabilities", classes=["no", "yes"], operating_point=0.5, input=INPUT
    )
    return audit_model(model, cases, Policy(name="none"), Options(profile="smoke", out=folder / "run", probes=probes))


def paint(path: Path, value: int) -> None:
    Image.fromarray(np.full((SIDE, SIDE), value, dtype=np.uint8)).save(path)


def test_an_image_that_changes_after_the_model_was_asked_ends_the_audit(tmp_path: Path) -> None:
    """A probe that reads the image again would measure another one than the answer beside it belongs to."""
    with pytest.raises(StorageError, match="no longer the one"):
        audited(tmp_path, lambda: paint(tmp_path / "7.png", 3), "CONF005")
    assert not (tmp_path / "run").exists()


def test_a_mask_that_changes_while_probes_run_ends_the_audit(tmp_path: Path) -> None:
    """Some probes may have seen the one and some the other; nobody takes a digest of masks."""
    with pytest.raises(StorageError, match="others among the masks"):
        audited(tmp_path, lambda: paint(tmp_path / "7-mask.png", 1), "PERF001")


def test_a_cohort_that_stays_as_it_is_is_audited(tmp_path: Path) -> None:
    """An image that is written again with the same content is the same image."""
    data: list[bytes] = []

    def again() -> None:
        data.append((tmp_path / "7.png").read_bytes())
        (tmp_path / "7.png").write_bytes(data[0])

    run = audited(tmp_path, again, "CONF005")
    assert {r.probe: r.state for r in run.results}["CONF005"] == "completed"
    assert len(data) == 1


def test_a_view_of_what_was_seen_gives_the_images_of_its_source(tmp_path: Path) -> None:
    """Also through another view, in another order."""
    source = cohort(tmp_path).images
    assert source is not None
    digests = np.stack([np.frombuffer(image_digest(source.load(i)), dtype=np.uint8) for i in range(N)])
    view = SeenView(source=source, rows=np.arange(N), digests=digests)
    assert len(view) == N
    np.testing.assert_array_equal(view.load(5), source.load(5))
    wrong = SeenView(source=source, rows=np.arange(N)[::-1], digests=digests)
    with pytest.raises(StorageError):
        wrong.load(5)
