"""An audit whose cohort and run lie in a bucket, from the command line, gives the evidence of one on disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audit
from audit import gate, verify
from audit.cli import main
from audit.errors import InputError
from audit.storage import Remote, join, sizes
from tests.session._make import write
from tests.storage.conftest import put

Ran = Callable[..., tuple[int, str]]


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    """Run a command; gives the exit code and all that was printed."""

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def held(place: Remote, name: str) -> bytes:
    system, path = place.filesystem()
    data: bytes = system.cat_file(f"{path}/{name}")
    return data


@pytest.fixture
def config(bucket: Remote, tmp_path: Path) -> Path:
    """An audit.toml of this machine, whose manifest lies in the bucket."""
    path = write(tmp_path / "audit", n=120)
    put(join(bucket, "cohort/scores.csv"), (tmp_path / "audit" / "scores.csv").read_bytes())
    text = path.read_text().replace('manifest = "scores.csv"', f'manifest = "{bucket}/cohort/scores.csv"')
    path.write_text(text)
    return path


def test_a_run_in_a_bucket_is_the_run_on_disk(ran: Ran, config: Path, bucket: Remote, tmp_path: Path) -> None:
    """Numbers, verdict and digest of the evidence are the same, it can be judged, verified and reported from there."""
    place = join(bucket, "runs/run1")
    probes = ("--probes", "PERF001,FAIR001")
    here, _ = ran("run", str(config), "--out", str(tmp_path / "run1"), *probes)
    there, said = ran("run", str(config), "--out", str(place), *probes)
    assert here == there
    assert f"{place}/report.html" in said.replace("\n", "")
    local = json.loads((tmp_path / "run1" / "evidence.json").read_text())
    remote = json.loads(held(place, "evidence.json"))
    assert remote["run"]["evidence_digest"] == local["run"]["evidence_digest"]
    assert remote["run"]["command"] == local["run"]["command"]
    for name in ("evidence.json", "log.jsonl", "report.html", "summary.md"):
        text = held(place, name).decode()
        assert "testing-secret-key" not in text
        assert "testing-key-id" not in text
        assert "audit-test" not in text
    assert ran("gate", str(place))[0] == here
    assert gate(str(place)).verdict == gate(tmp_path / "run1").verdict
    assert ran("verify", str(place))[0] == 0
    code, said = ran("report", str(place), "--static", "--out", str(tmp_path / "again.html"))
    assert (code, (tmp_path / "again.html").stat().st_size > 10_000) == (0, True)
    code, _ = ran("compare", str(tmp_path / "run1"), str(place))
    assert code in (0, 1, 3)
    code, _ = ran("run", str(config), "--out", str(place), *probes)
    assert code == 2
    put(join(place, "summary.md"), b"all is well")
    assert not verify(str(place)).intact
    assert ran("gate", str(place))[0] == 2
    code, _ = ran("run", str(config), "--out", str(place), "--overwrite", *probes)
    assert code == here
    assert verify(str(place)).intact


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("fault", ["profile", "probes", "answers"])
def test_an_input_error_leaves_the_run_that_was_to_be_replaced(
    memory: Remote, tmp_path: Path, where: str, fault: str
) -> None:
    """What the command line gets wrong, and a model whose answers do not fit, are found before the first probe."""
    rng = np.random.default_rng(0)
    cohort = audit.load_cohort(
        rng.normal(size=(40, 1, 4, 4)).astype(np.float32), targets=np.arange(40) % 2, task="binary", classes=("n", "y")
    )

    def made(answer: Callable[[Any], Any], **more: Any) -> None:
        model = audit.load_model(
            answer, task="binary", output="logits", classes=("n", "y"), input={"range": [-5, 5]}
        )  # fmt: skip
        audit.run(model, cohort, out=place, **{"probes": "PERF001", "profile": "smoke", **more})

    def held_there() -> dict[str, int]:
        found = {str(p): p.stat().st_size for p in (tmp_path / "run1").rglob("*") if p.is_file()}
        return found or {str(p): size for p, size in sizes(join(memory, "run1")).items()}

    place = str(join(memory, "run1")) if where == "there" else str(tmp_path / "run1")
    made(lambda x: x.mean(axis=(2, 3)))
    before = held_there()
    answer = (lambda x: np.zeros((len(x) + 1, 1))) if fault == "answers" else lambda x: x.mean(axis=(2, 3))
    with pytest.raises(InputError):
        made(answer, overwrite=True, **({} if fault == "answers" else {fault: "none such"}))
    assert held_there() == before
    assert verify(place).intact
    made(lambda x: x.max(axis=(2, 3)), overwrite=True)
    assert verify(place).intact


def test_a_bucket_that_is_not_there_ends_before_anything_is_measured(ran: Ran, config: Path) -> None:
    """A bucket that is not there ends before anything is measured."""
    code, said = ran("run", str(config), "--out", "s3://no-such-bucket/run1")
    assert code == 2
    assert "nothing can be written there" in said


def test_a_manifest_that_is_not_there_leaves_nothing_behind(ran: Ran, config: Path, bucket: Remote) -> None:
    """A manifest that is not there leaves nothing behind."""
    config.write_text(config.read_text().replace("cohort/scores.csv", "cohort/others.csv"))
    code, said = ran("run", str(config), "--out", f"{bucket}/runs/run2")
    assert (code, "no such file" in said) == (2, True)
    assert not sizes(join(bucket, "runs"))


@pytest.mark.parametrize("words", [
    ("run", "CONFIG", "--out", "URL/run1"), ("run", "CONFIG", "--out=URL/run1"), ("run", "URL/audit.toml"),
    ("gate", "URL/run1"), ("gate", "run1", "--policy", "URL/policy.toml"), ("init", "URL/cases.csv", "--model", "x"),
    ("scores", "URL/cases.csv", "--target", "a", "--score", "b"),
])  # fmt: skip
def test_credentials_in_a_url_are_refused_and_never_printed(ran: Ran, config: Path, words: tuple[str, ...]) -> None:
    """Whatever the command takes there: a log of a pipeline keeps what is printed."""
    for url in ("s3://key:wordofmouth@bucket", "s3://key:word/ofmouth@bucket"):
        code, said = ran(*(w.replace("URL", url).replace("CONFIG", str(config)) for w in words))
        assert (code, "credentials" in said, "ofmouth" in said) == (2, True, False)


def test_credentials_in_audit_toml_are_refused_and_never_printed(ran: Ran, config: Path, bucket: Remote) -> None:
    """The same holds for the manifest."""
    config.write_text(config.read_text().replace(f"{bucket}/", "s3://key:word/ofmouth@audit-test/"))
    code, said = ran("run", str(config), "--out", str(config.parent / "run"))
    assert (code, "credentials" in said, "ofmouth" in said) == (2, True, False)


@pytest.mark.parametrize("more", [(), ("--plan",)])
def test_a_configuration_on_shared_storage_says_what_to_do(ran: Ran, more: tuple[str, ...]) -> None:
    """Code and models are read from this machine, so audit.toml lies here as well."""
    code, said = ran("run", "s3://bucket/audits/audit.toml", *more)
    assert (code, "lies on shared storage" in said, "copy its folder here" in said) == (2, True, True)
