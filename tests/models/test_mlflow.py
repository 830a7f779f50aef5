"""Kind `mlflow` in a configuration."""

from __future__ import annotations

import pytest

from audit.config import load_audit
from audit.core import ModelSpec
from audit.errors import FaultsError, InputError
from audit.models import _mlflow as kind
from audit.models import load_model
from audit.models._registered import Registered
from tests.registry._toys import write_model, write_rules


def test_a_version_is_loaded_under_the_registrys_name_and_number(tmp_path, monkeypatch):
    """Where the file has none of its own; the files stay for as long as the model may want them."""
    version = Registered(name="toy", version="7", source="mlflow-artifacts:/x")
    asked = []
    monkeypatch.setattr(kind, "resolve", lambda uri: asked.append(uri) or version)
    monkeypatch.setattr(kind, "fetch", lambda found, folder: write_model(folder, "sklearn"))
    spec = load_audit(write_rules(tmp_path) / "audit.toml").model
    model = load_model(spec, tmp_path)
    assert asked == ["models:/toy/1"]
    assert (model.card.name, model.card.version, model.card.kind) == ("toy", "7", "sklearn")
    assert model.state_digest() == model.card.digest


@pytest.mark.parametrize("path", ["toy/1", "models:/toy", "models:/toy/latest", "runs:/short/model", ""])
def test_what_names_no_version_is_refused(tmp_path, path):
    """Before any registry is asked."""
    with pytest.raises(InputError, match="no URI of a model version"):
        load_model(ModelSpec(kind="mlflow", path=path, task="binary", output="logits"), tmp_path)


@pytest.mark.parametrize(
    "before, after, said",
    [
        ("models:/toy/1", "http://toy/1", "no URI of kind 'mlflow'"),
        ('kind = "mlflow"', 'kind = "http"', "no URI of kind 'http'"),
        ('kind = "mlflow"', 'kind = "mlflow"\ntimeout = 3', "model.timeout: of no use here"),
    ],
)
def test_a_uri_of_another_kind_is_a_fault_of_the_file(tmp_path, before, after, said):
    """So is a timeout where no server is asked; a file is looked for in neither kind."""
    folder = write_rules(tmp_path)
    text = (folder / "audit.toml").read_text().replace(before, after)
    (folder / "audit.toml").write_text(text)
    with pytest.raises(FaultsError, match=said):
        load_audit(folder / "audit.toml")


def test_a_timeout_is_part_of_the_files_digest_only_where_it_is_given(tmp_path):
    """A file that does not know the key keeps its digest."""
    folder = write_rules(tmp_path)
    text = (folder / "audit.toml").read_text()
    text = text.replace('"mlflow"', '"http"').replace("models:/toy/1", "http://localhost/invocations")
    digests = []
    for more in ("", "\ntimeout = 3", "\ntimeout = 4"):
        (folder / "audit.toml").write_text(text.replace('kind = "http"', f'kind = "http"{more}'))
        config = load_audit(folder / "audit.toml")
        digests.append(config.digest)
    assert len(set(digests)) == 3
    assert config.model.timeout == 4.0
