"""What an MLflow model is made of, read without running it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from audit.core import InputSpec, ModelSpec
from audit.errors import InputError, ModelError, UnsafeModelError
from audit.models import _registered as registered
from audit.models import flavour_of, load_flavour, parse_uri
from audit.models._registered import Registered, fetch
from tests.registry._toys import network, write_model

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 1, 8, 8)).astype(np.float32)
SPEC = ModelSpec(
    kind="mlflow", path="models:/toy/1", task="binary", output="logits", operating_point=0.5,
    input=InputSpec(size=(8, 8), range=(0.0, 255.0)), name="toy", version="1",
)  # fmt: skip


def test_pytorch_as_an_exported_program_is_rebuilt_without_code(tmp_path):
    """Its outputs are those of the network that was exported, and it gives gradients."""
    import torch

    model = load_flavour(SPEC, write_model(tmp_path / "m"))
    with torch.no_grad():
        wanted = network()(torch.as_tensor(IMAGES / 255)).numpy()
    assert model.predict(IMAGES) == pytest.approx(wanted, abs=1e-5)
    assert (model.card.kind, model.card.access.name, model.card.version) == ("torch-export", "GRADIENT", "1")


def test_sklearn_as_skops_is_loaded(tmp_path):
    """It can be asked."""
    model = load_flavour(SPEC, write_model(tmp_path / "m", "sklearn"))
    assert model.predict(IMAGES).shape == (3, 1)
    assert model.card.kind == "sklearn"


def test_onnx_is_loaded_and_gives_the_same_answers(tmp_path):
    """Its outputs are those of the network that the graph was written after, and it gives gradients."""
    pytest.importorskip("onnxruntime")
    import torch

    model = load_flavour(SPEC, write_model(tmp_path / "m", "onnx"))
    with torch.no_grad():
        wanted = network()(torch.as_tensor(IMAGES / 255)).numpy()
    assert model.predict(IMAGES) == pytest.approx(wanted, abs=1e-4)
    assert (model.card.kind, model.card.version) == ("onnx", "1")


def test_a_pickle_is_refused_and_nothing_of_it_is_run(tmp_path):
    """Neither when it is looked at nor when it is loaded."""
    folder = write_model(tmp_path / "m", "pickle", bomb=tmp_path / "BOOM")
    assert flavour_of(folder).runs_code
    with pytest.raises(UnsafeModelError, match="a pickle"):
        load_flavour(SPEC, folder)
    assert not (tmp_path / "BOOM").exists()


ONE = "{code: null, data: model.onnx}"


@pytest.mark.parametrize(
    "text, why",
    [
        ("flavors: {python_function: {loader_module: evil.loader}}", "evil.loader"),
        ("flavors: {python_function: {loader_module: evil}, pytorch: {model_data: data, code: null}}", "evil"),
        ("flavors: {pytorch: {model_data: data, code: code}}", "code that was logged"),
        ("flavors: {python_function: {loader_module: mlflow.pytorch, code: c}, pytorch: {model_data: data}}", "code"),
        ("flavors: {pytorch: {model_data: elsewhere}}", "pickle"),
        ("flavors: {tensorflow: {data: x}}", "unknown code"),
    ],
)
def test_what_would_run_code_is_seen(tmp_path, text, why):
    """Also where a harmless file lies beside it: whoever serves the model would get another one."""
    folder = write_model(tmp_path / "m")
    (folder / "MLmodel").write_text(text)
    found = flavour_of(folder)
    assert found.runs_code
    assert why in found.why


@pytest.mark.parametrize(
    "text",
    ["flavors: {pytorch: {model_data: data}, onnx: {data: model.onnx}}", "flavors: 3", "a: [", "",
     "!!python/name:os.system",
     "flavors: {onnx: {data: none.onnx}}", "x" * (2**20 + 1)],
)  # fmt: skip
def test_a_description_that_says_nothing_clear_is_an_error(tmp_path, text):
    """Two models in one, none, or no YAML without objects."""
    folder = write_model(tmp_path / "m")
    (folder / "MLmodel").write_text(text)
    with pytest.raises(ModelError):
        flavour_of(folder)


@pytest.mark.parametrize("name", ["../../data", "/etc", "data/../../.."])
def test_a_file_outside_of_the_version_is_refused(tmp_path, name):
    """However MLmodel names it."""
    folder = write_model(tmp_path / "m")
    (folder / "MLmodel").write_text(f'flavors: {{pytorch: {{model_data: "{name}"}}}}')
    with pytest.raises(UnsafeModelError):
        flavour_of(folder)


def test_the_digest_follows_the_weights_and_nothing_else(tmp_path):
    """Times and ids that MLflow writes do not change it; another file of weights does."""
    folder = write_model(tmp_path / "m")
    before = flavour_of(folder).digest
    (folder / "MLmodel").write_text((folder / "MLmodel").read_text() + "utc_time_created: later\n")
    assert flavour_of(folder).digest == before
    with (folder / "data" / "model.pt2").open("ab") as f:
        f.write(b"\0")
    assert flavour_of(folder).digest != before


@pytest.mark.parametrize(
    "uri", ["models:/toy", "models:/toy/latest", "models:/toy/Production", "models:/toy/1/more", "toy/1", "models:/@x"]
)
def test_a_uri_that_may_change_its_meaning_is_refused(uri):
    """A version is named by its number or by an alias."""
    with pytest.raises(InputError):
        parse_uri(uri)


def test_name_version_and_alias_are_read():
    """One of the last two is empty."""
    assert parse_uri("models:/a model/3") == ("a model", "3", "")
    assert parse_uri("models:/toy@champion") == ("toy", "", "champion")


class Store:
    """A store of files that lists what a test sets."""

    def __init__(self, *entries):
        self.entries = entries
        self.asked = False

    def list_artifacts(self, path):
        return [] if path else self.entries

    def download_artifacts(self, path, dst_path):
        self.asked = True


def entry(path, size=1, folder=False):
    return SimpleNamespace(path=path, file_size=size, is_dir=folder)


@pytest.mark.parametrize(
    "entries",
    [[entry("../x")], [entry("/etc/x")], [entry("a\\b")], [entry("a\0")], [entry("big", 2**40)], [entry("x")] * 1001],
)
def test_nothing_is_fetched_that_leaves_its_folder_or_is_too_large(entries):
    """The listing is looked at before any byte arrives."""
    store = Store(*entries)
    with pytest.raises(ModelError):
        registered._check_listing(store, 2**30)
    assert not store.asked


def test_what_arrived_is_looked_at_again(tmp_path):
    """Sizes that the server did not say, and links."""
    (tmp_path / "x").write_bytes(b"12345")
    with pytest.raises(ModelError, match="too large"):
        registered._check_files(tmp_path, 4)
    (tmp_path / "l").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeModelError, match="link"):
        registered._check_files(tmp_path, 100)


@pytest.mark.parametrize("source", ["/etc", "file:///etc", "http://elsewhere/x", "ftp://x/y", "sqlite:///x"])
def test_a_source_outside_of_the_registrys_stores_is_refused(tmp_path, monkeypatch, source):
    """A submitter who names files of the gate's machine, or another server, gets nothing fetched."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UnsafeModelError, match="not fetched"):
        fetch(Registered(name="toy", version="1", source=source), tmp_path / "m")
    assert not (tmp_path / "m").exists()
