"""A run on shared storage: half of one is no evidence, and what is read is a copy within limits."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import EvidenceError, InputError, StorageError
from audit.evidence import read_run
from audit.storage import Remote, _runs, held_run, join, run_folder, sizes
from tests.storage.conftest import put

LAST = "SHA256SUMS"


def ours(name: str) -> bool:
    return name in {"evidence.json", "log.jsonl", "artifacts", LAST}


def write(folder: Path, text: str = "{}") -> None:
    """Write what has the shape of a run."""
    (folder / "artifacts").mkdir(parents=True)
    for name in ("evidence.json", "log.jsonl", "artifacts/a.npz"):
        (folder / name).write_text(text)
    names = ("artifacts/a.npz", "evidence.json", "log.jsonl")
    sums = "".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    (folder / LAST).write_text(sums)


def names(place: Remote) -> list[str]:
    return sorted(r.path[len(place.path) + 1 :] for r in sizes(place))


def make(place: Remote, text: str = "{}", *, overwrite: bool = False) -> None:
    with run_folder(place, overwrite=overwrite, ours=ours, last=LAST) as folder:
        assert folder is not None
        assert folder.name == place.name
        write(folder, text)


def test_a_run_is_copied_whole_and_held_again(memory: Remote) -> None:
    """A run is copied whole and held again."""
    place = join(memory, "run1")
    make(place)
    assert names(place) == [LAST, "artifacts/a.npz", "evidence.json", "log.jsonl"]
    with held_run(place) as folder:
        assert (folder.name, (folder / "artifacts" / "a.npz").read_text()) == ("run1", "{}")
    assert not folder.exists()


def test_a_folder_of_this_machine_is_given_as_it_is(tmp_path: Path) -> None:
    """A folder of this machine is given as it is."""
    with run_folder(tmp_path, overwrite=False, ours=ours, last=LAST) as folder:
        assert folder == tmp_path
    with run_folder(None, overwrite=False, ours=ours, last=LAST) as none:
        assert none is None
    with held_run(tmp_path) as held:
        assert held == tmp_path


def test_the_seal_is_written_last_and_the_folder_cannot_pass_before(
    memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seal is written last and the folder cannot pass before."""
    import fsspec

    place, order = join(memory, "run1"), []
    kind = type(fsspec.filesystem("memory"))
    put_file = kind.put_file

    def spy(self: object, lpath: str, rpath: str, **more: object) -> None:
        with held_run(place) as folder, pytest.raises(EvidenceError, match="unfinished"):
            read_run(folder)
        order.append(rpath.rpartition("run1/")[2])
        put_file(self, lpath, rpath, **more)

    monkeypatch.setattr(kind, "put_file", spy)
    make(place)
    assert order == ["artifacts/a.npz", "evidence.json", "log.jsonl", LAST]


def test_a_copy_that_breaks_off_leaves_the_run_here_and_no_seal_there(
    memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that breaks off leaves the run here and no seal there."""
    import fsspec

    kind = type(fsspec.filesystem("memory"))
    put_file = kind.put_file

    def breaks(self: object, lpath: str, rpath: str, **more: object) -> None:
        if rpath.endswith("evidence.json"):
            raise ConnectionResetError("to https://key:secret@storage.example")
        put_file(self, lpath, rpath, **more)

    monkeypatch.setattr(kind, "put_file", breaks)
    place = join(memory, "run1")
    with pytest.raises(StorageError, match="could not be copied") as caught:
        make(place)
    kept = Path(caught.value.fix.removeprefix("copy it from ").partition(",")[0])
    assert (kept / LAST).is_file()
    assert LAST not in names(place)
    assert "secret" not in str(caught.value)


def test_an_earlier_run_is_replaced_on_demand_alone_and_its_seal_goes_first(memory: Remote) -> None:
    """An earlier run is replaced on demand alone and its seal goes first."""
    place = join(memory, "run1")
    make(place)
    put(join(place, "artifacts/old.npz"), b"old")
    with pytest.raises(InputError, match="not empty"):
        make(place)
    with run_folder(place, overwrite=True, ours=ours, last=LAST) as folder:
        assert LAST not in names(place)
        assert folder is not None
        write(folder, "[]")
    assert names(place) == [LAST, "artifacts/a.npz", "evidence.json", "log.jsonl"]
    with held_run(place) as held:
        assert (held / "evidence.json").read_text() == "[]"


def test_what_is_not_a_run_is_never_replaced(memory: Remote) -> None:
    """What is not a run is never replaced."""
    put(join(memory, "run1/thesis.docx"), b"years")
    with pytest.raises(InputError, match="not the folder of a run"):
        make(join(memory, "run1"), overwrite=True)
    assert names(join(memory, "run1")) == ["thesis.docx"]


def test_an_audit_that_was_refused_leaves_nothing_there(memory: Remote) -> None:
    """An audit that was refused leaves nothing there."""
    with (
        pytest.raises(InputError, match="no such column"),
        run_folder(join(memory, "run1"), overwrite=False, ours=ours, last=LAST),
    ):
        raise InputError("no such column")
    assert names(join(memory, "run1")) == []


def replaced(place: Remote, audit: Callable[[Path], None], begun: Callable[[], bool] = lambda: False) -> None:
    with run_folder(place, overwrite=True, ours=ours, last=LAST, begun=begun) as folder:
        assert folder is not None
        audit(folder)


@pytest.mark.parametrize("measured", [False, True])
def test_an_audit_that_was_refused_leaves_an_earlier_run_as_it_was(memory: Remote, measured: bool) -> None:
    """Its seal is away meanwhile, and comes back with its log unless something was measured by then."""
    place = join(memory, "run1")
    make(place, '{"earlier": 1}')
    meanwhile = []

    def refused(folder: Path) -> None:
        meanwhile.extend(names(place))
        raise InputError("no such profile")

    with pytest.raises(InputError, match="no such profile"):
        replaced(place, refused, begun=lambda: measured)
    assert LAST not in meanwhile
    with held_run(place) as held:
        assert (held / "evidence.json").read_text() == '{"earlier": 1}'
        assert (held / LAST).exists() is not measured
        assert (held / "log.jsonl").read_text() == ("" if measured else '{"earlier": 1}')
    assert [r.name for r in sizes(memory) if r.name.endswith(".lock")] == []


@pytest.mark.parametrize("refused", ["write_bytes", "remove"])
def test_a_store_that_refuses_the_first_change_keeps_the_earlier_run(
    memory: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Nothing was measured; nothing of this machine is left, either."""
    place = join(memory, "run1")
    make(place, '{"earlier": 1}')
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    allowed = getattr(_runs, refused)
    calls = iter([True])

    def first_refused(*given: object) -> None:
        if next(calls, False):
            raise StorageError("storage: refused", expected="an answer", got="none", fix="try again")
        allowed(*given)

    monkeypatch.setattr(_runs, refused, first_refused)
    with pytest.raises(StorageError, match="refused"):
        replaced(place, write)
    with held_run(place) as held:
        assert (held / LAST).exists()
        assert (held / "log.jsonl").read_text() == '{"earlier": 1}'
    assert not list((tmp_path / "tmp").glob("audit-run-*"))


def test_an_earlier_run_does_not_come_back_where_another_run_has_taken_its_place(memory: Remote) -> None:
    """The other one writes there now."""
    place = join(memory, "run1")
    make(place)

    def robbed(folder: Path) -> None:
        put(join(memory, ".run1.lock"), b'{"token": "theirs"}')
        raise InputError("no such profile")

    with pytest.raises(InputError, match="no such profile"):
        replaced(place, robbed)
    assert LAST not in names(place)


def test_an_audit_that_was_stopped_does_not_bring_an_earlier_run_back(memory: Remote) -> None:
    """Whoever reads the place next, a gate among them, must not take the earlier run for this one."""
    place = join(memory, "run1")
    make(place)
    with pytest.raises(KeyboardInterrupt), run_folder(place, overwrite=True, ours=ours, last=LAST):
        raise KeyboardInterrupt
    assert LAST not in names(place)


def test_an_audit_that_was_killed_leaves_an_unfinished_run(memory: Remote) -> None:
    """An audit that was killed leaves an unfinished run."""
    place = join(memory, "run1")
    with pytest.raises(KeyboardInterrupt), run_folder(place, overwrite=False, ours=ours, last=LAST):
        raise KeyboardInterrupt
    with held_run(place) as folder, pytest.raises(EvidenceError, match="unfinished"):
        read_run(folder)


def test_where_nothing_is_there_is_no_run(memory: Remote) -> None:
    """Where nothing is there is no run."""
    with pytest.raises(EvidenceError, match="no such run"), held_run(join(memory, "run1")):
        pass


def test_a_name_that_leads_elsewhere_is_not_followed(memory: Remote, tmp_path: Path) -> None:
    """A name that leads elsewhere is not followed."""
    system, path = memory.filesystem()
    system.store[f"{path}/run1/../../outside"] = system.store.get("x") or _memory_file(system)
    with pytest.raises(EvidenceError, match="leads elsewhere"), held_run(join(memory, "run1")):
        pass


def _memory_file(system: object) -> object:
    from fsspec.implementations.memory import MemoryFile

    return MemoryFile(system, "x", b"data")


def test_a_folder_that_is_no_run_in_size_is_not_copied(memory: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is no run in size is not copied."""
    from audit.storage import _runs

    make(join(memory, "run1"))
    monkeypatch.setattr(_runs, "_MOST_BYTES", 10)
    with pytest.raises(EvidenceError, match="too large for a run"), held_run(join(memory, "run1")):
        pass
