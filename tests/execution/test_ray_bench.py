"""What an actor checks before it does anything, and how the files of results reach it; without a cluster."""

import importlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cohorts import FileSource
from audit.core import Cohort, ImagingModel
from audit.errors import InputError, ModelError, StorageError
from audit.execution import Basis, FolderFiles, Store, Task, Workshop
from audit.execution._loaded import loaded_modules
from audit.execution._ray_bench import Bench, Keeper, Sent, code_of, stripped
from audit.execution._ray_crew import pickled
from audit.execution._ray_sight import Sight, sight_of
from audit.session import load_cohort, load_model
from audit.testing import planted

ray = pytest.importorskip("ray")
INPUT = {"size": [4, 4], "channels": 1, "range": [0, 255]}
DECLARED: dict[str, Any] = {
    "task": "binary", "output": "probabilities", "classes": ["no", "yes"], "operating_point": 0.5, "input": INPUT,
}  # fmt: skip


def model(value: float = 0.25) -> ImagingModel:
    return load_model(lambda images: np.full((len(images), 1), value), **DECLARED)


def cohort(folder: Path, n: int = 6) -> Cohort:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        np.save(folder / f"{i}.npy", np.full((1, 4, 4), i, np.uint8))
    lines = ["case,label,image", *(f"c{i},{i % 2},{i}.npy" for i in range(n))]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return load_cohort(
        "cases.csv", task="binary", root=folder, input=INPUT, case="case", target="label", positive="1", image="image"
    )


def sent(**more: object) -> Sent:
    asked = model()
    given = {
        "state": asked.state_digest(), "code": code_of(), "modules": loaded_modules(),
        "pickled": ray.cloudpickle.dumps(asked), "load": None,
    }  # fmt: skip
    return Sent(**{**given, **more})  # type: ignore[arg-type]


def workshop(cases: Cohort, folder: Path) -> Workshop:
    store = Store(files=FolderFiles(folder=folder), run="r")
    return Workshop(model=model(), cohort=cases, batch=4, store=store, basis=Basis(answers="a"), sends=True)


def test_an_actor_with_the_model_and_the_files_does_a_task(tmp_path: Path) -> None:
    """The result lies in the store under the key that the answer names."""
    bench, cases = Bench(), cohort(tmp_path / "cohort")
    work = workshop(cases, tmp_path / "store")
    assert bench.take(sent()) == ""
    assert bench.equip(ray.cloudpickle.dumps((stripped(work), sight_of(cases)))) == ""
    done = bench.do(Task(kind="clean", start=0, stop=4))
    assert done.state == "kept"
    kept = work.store.get(done.key)
    assert kept is not None
    np.testing.assert_array_equal(kept.arrays["raw"], np.full((4, 1), 0.25))
    assert bench.do(Task(kind="state")).reason == model().state_digest()


def test_what_a_task_raises_comes_back_in_the_answer(tmp_path: Path) -> None:
    """A model that fails is a ModelError where the audit was started."""
    bench, cases = Bench(), cohort(tmp_path / "cohort")
    asked = load_model(lambda images: 1 / 0, **DECLARED)
    assert bench.take(sent(state=asked.state_digest(), pickled=ray.cloudpickle.dumps(asked))) == ""
    assert bench.equip(ray.cloudpickle.dumps((stripped(workshop(cases, tmp_path / "s")), Sight()))) == ""
    done = bench.do(Task(kind="clean", start=0, stop=4))
    assert (done.state, type(done.error)) == ("failed", ModelError)


def test_other_code_is_refused_by_name() -> None:
    """Numbers of another version must not stand under this one's key."""
    said = Bench().take(sent(code={**code_of(), "numpy": "1.0.0"}))
    assert said.startswith("other code than where the audit was started: numpy 1.0.0 there")


def test_another_model_is_refused() -> None:
    """The digest is taken anew where the model arrives."""
    assert "another digest" in Bench().take(sent(state="0" * 64))


def test_a_model_that_cannot_be_sent_is_loaded_there_from_its_files() -> None:
    """And where that fails, too, the reason comes back."""
    bench = Bench()
    assert bench.take(sent(pickled=None, load=model)) == ""
    assert "neither sent nor loaded" in bench.take(sent(pickled=None))


def test_every_distribution_counts_and_so_does_how_torch_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of images in another version gives other pixels, and lower precision gives other answers."""
    import torch

    before = code_of()
    assert before["pillow"]
    assert "other code" in Bench().take(sent(code={**before, "pillow": "1.0"}))
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    assert {n for n, v in code_of().items() if v != before[n]} == {"torch's precision"}


def test_a_module_that_is_worked_on_must_be_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable package keeps its version while its code changes."""
    (tmp_path / "mynets_h.py").write_text("FACTOR = 2.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("mynets_h")
    there = {**loaded_modules(), "mynets_h": "0" * 64, "not_loaded_here": "1" * 64, "__main__": "2" * 64}
    assert Bench().take(sent(modules=there)) == "other code than where the audit was started: the files of mynets_h"
    monkeypatch.delitem(sys.modules, "mynets_h")
    assert Bench().take(sent(modules=there)) == ""


def test_a_machine_that_does_not_see_the_files_is_refused(tmp_path: Path) -> None:
    """Else it would set every case aside as not found, in earnest."""
    cases = cohort(tmp_path / "cohort")
    sight = sight_of(cases)
    assert sorted(position for _, position in sight.files) == [0, 1, 2, 4, 5]
    assert sight.unseen(cases) == ""
    some = sight_of(cases.subset(np.array([5, 2]))).files
    assert list(some.values()) == [sight.files["images", 5], sight.files["images", 2]]
    np.save(tmp_path / "cohort" / "2.npy", np.full((1, 4, 4), 77, np.uint8))
    assert "others there" in sight.unseen(cases)
    (tmp_path / "cohort" / "2.npy").unlink()
    assert "not seen there" in sight.unseen(cases)
    assert not sight.gone(cases)


def test_masks_must_be_seen_as_well(tmp_path: Path) -> None:
    """They may lie on a disk of their own; an empty cell is none."""
    folder = tmp_path / "cohort"
    cohort(folder)
    lines = ["case,label,image,mask", *(f"c{i},{i % 2},{i}.npy,{'' if i == 2 else f'm{i}.npy'}" for i in range(6))]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    for i in range(6):
        np.save(folder / f"m{i}.npy", np.ones((1, 4, 4), np.uint8))
    cases = load_cohort(
        "cases.csv", task="binary", root=folder, input=INPUT, case="case", target="label", positive="1",
        image="image", mask="mask",
    )  # fmt: skip
    sight = sight_of(cases)
    assert sorted(p for name, p in sight.files if name == "masks") == [0, 1, 4, 5]
    assert sight.unseen(cases) == ""
    (folder / "m4.npy").unlink()
    assert "not seen there" in sight.unseen(cases)


def test_a_worker_whose_disk_goes_hands_nothing_over(tmp_path: Path) -> None:
    """One file that goes is a reason to set its case aside; all that go are the fault of the machine."""
    bench, cases = Bench(), cohort(tmp_path / "cohort")
    work = workshop(cases, tmp_path / "store")
    assert bench.take(sent()) == ""
    assert bench.equip(ray.cloudpickle.dumps((stripped(work), sight_of(cases)))) == ""
    (tmp_path / "cohort" / "1.npy").unlink()
    assert bench.do(Task(kind="clean", start=0, stop=4)).state == "kept"
    (tmp_path / "cohort").rename(tmp_path / "away")
    done = bench.do(Task(kind="clean", start=4, stop=6))
    assert (done.state, done.key, type(done.error)) == ("failed", "", StorageError)
    assert len(list((tmp_path / "store").glob("*/*"))) == 1


def test_a_disk_that_hangs_is_as_good_as_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that looked for ever would hold the run."""
    cases = cohort(tmp_path / "cohort")
    sight = sight_of(cases)
    monkeypatch.setattr("audit.execution._ray_sight._PATIENCE", 0.02)
    monkeypatch.setattr(FileSource, "on_disk", lambda self, index: time.sleep(0.5))
    assert sight.gone(cases)


def test_a_cohort_without_files_has_nothing_to_look_at() -> None:
    """Images in memory are sent with the cases."""
    cases = cohort_of_arrays()
    assert sight_of(cases).files == {}
    assert not sight_of(cases).gone(cases)


def cohort_of_arrays() -> Cohort:
    from audit.cohorts import from_arrays

    return from_arrays(np.zeros((4, 1, 4, 4)), np.array([0, 1] * 2), task="binary", classes=("no", "yes"))


def test_what_is_sent_holds_no_second_model(tmp_path: Path) -> None:
    """The model goes once to each machine."""
    bare = stripped(workshop(cohort(tmp_path / "cohort"), tmp_path / "store"))
    assert bare.model is None


def test_the_keeper_reads_what_it_wrote_and_says_why_it_could_not(tmp_path: Path) -> None:
    """A full disk is an OSError where the audit was started, with its number."""
    keeper = Keeper(str(tmp_path / "store"))
    assert keeper.read("ab12") is None
    assert keeper.write("ab12", b"data") == ""
    assert keeper.read("ab12") == b"data"
    (tmp_path / "file").write_bytes(b"")
    assert Keeper(str(tmp_path / "file")).write("ab12", b"data").startswith("20:")


NETS = """
import torch

FACTOR = 2.0

class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(16, 1)

    def forward(self, x):
        return FACTOR * self.line(x.flatten(1))

def small():
    torch.manual_seed(1)
    return Small()
"""
ELSEWHERE = """
import pickle, sys
import numpy as np
model = pickle.loads(sys.stdin.buffer.read())
print(model.state_digest(), model.predict(np.ones((2, 1, 4, 4), np.float32)).ravel().tolist())
"""


def saved(kind: str, folder: Path) -> ImagingModel:
    """Return a network of a module that lies beside audit.toml alone, loaded as each kind."""
    import torch

    (folder / "nets.py").write_text(NETS)
    scope: dict[str, Any] = {}
    exec(NETS, scope)
    net, images = scope["small"]().eval(), torch.ones(1, 1, 4, 4)
    if kind == "torch":
        torch.save(net.state_dict(), folder / "w")
    elif kind == "torchscript":
        torch.jit.trace(net, images).save(str(folder / "w"))
    else:
        torch.onnx.export(net, (images,), str(folder / "w"), dynamo=False, input_names=["x"], dynamic_axes={"x": [0]})
    factory = {"factory": "nets:small"} if kind == "torch" else {}
    return load_model("w", kind=kind, root=folder, **factory, **{**DECLARED, "output": "logits"})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("torch", marks=pytest.mark.slow),
        "torchscript",
        pytest.param("onnx", marks=pytest.mark.slow),
        "planted",
    ],
)
def test_models_of_each_kind_can_be_sent_to_a_machine_without_their_files(kind: str, tmp_path: Path) -> None:
    """Classes that no other machine can import go by value; digest and answers are the same there."""
    asked = planted("healthy") if kind == "planted" else saved(kind, tmp_path)
    data = pickled(asked, "the model")
    for file in tmp_path.iterdir():
        file.unlink()
    told = subprocess.run([sys.executable, "-c", ELSEWHERE], input=data, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr.decode()[-2000:]
    state, _, answers = told.stdout.decode().partition(" ")
    assert state == asked.state_digest()
    np.testing.assert_allclose(json.loads(answers), asked.predict(np.ones((2, 1, 4, 4), np.float32)).ravel(), atol=1e-6)


def test_what_cannot_be_sent_is_said_so() -> None:
    """A lock, say, that the user's own function holds."""
    lock = threading.Lock()
    with pytest.raises(InputError, match="the model cannot be sent to other machines"):
        pickled(lambda images: lock, "the model")
