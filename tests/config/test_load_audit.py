"""audit.toml to typed objects, and every fault named at once."""

from pathlib import Path

import pytest

from audit.config import AUDIT_SECTIONS, check_columns, load_audit, schema
from audit.core import Access, ProbeInfo
from audit.errors import EXIT_INPUT, FaultsError

INFO = ProbeInfo(
    code="PERF001",
    name="headline",
    family="PERF",
    tasks=("binary",),
    access=Access.SAVED,
    metrics=("sensitivity", "auc", "ppv"),
    title="t",
    question="q",
    method="m",
    limits="l",
)


def faults_of(folder: Path, *edits: tuple[str, str], **kwargs: object) -> FaultsError:
    """Return what load_audit says of a file after some replacements."""
    for old, new in edits:
        text = (folder / "audit.toml").read_text()
        assert old in text
        (folder / "audit.toml").write_text(text.replace(old, new))
    with pytest.raises(FaultsError) as caught:
        load_audit(folder / "audit.toml", **kwargs)  # type: ignore[arg-type]
    assert caught.value.exit_code == EXIT_INPUT
    for fault in caught.value.faults:
        assert len(str(fault).splitlines()) <= 3
        assert fault.expected
        assert fault.got
        assert fault.fix
    return caught.value


def test_typed_content(folder: Path) -> None:
    """A right file gives typed specs with its values."""
    config = load_audit(folder / "audit.toml")
    assert config.model.scores == ("score",)
    assert config.model.operating_point == 0.5
    assert config.cohort.positive == ("1",)
    assert config.cohort.target == ("label",)
    assert config.cohort.design == "case-control"
    sex, age = config.cohort.attributes
    assert (sex.role, sex.also, sex.reason) == ("protected", ("confounder",), "one ward")
    assert age.bins == (0.0, 40.0, 60.0, 120.0)
    assert config.intended_use.prevalence is not None
    assert config.intended_use.prevalence.value == 0.04
    assert config.seed == 3
    assert config.profile == "standard"
    assert config.root == folder.resolve()
    assert config.policy is not None
    assert config.policy.rules[1].where == {"epsilon": "2/255"}


def test_the_contract_example_is_read(folder: Path) -> None:
    """The torch example with an input table, normalisation and a mask is right as it stands."""
    (folder / "skin.safetensors").write_bytes(b"x")
    (folder / "cases.csv").write_text("file,dx,patient_id,lesion_mask,sex,age,scanner\n")
    (folder / "audit.toml").write_text("""
[model]
kind = "torch"
path = "skin.safetensors"
factory = "skin.nets:small_cnn"
task = "binary"
classes = ["other", "melanoma"]
output = "logits"
operating_point = 0.31
operating_point_source = "validation split, 2026-10-02"
[model.input]
modality = "photo"
unit = "grey level"
range = [0, 255]
size = [64, 64]
channels = 3
normalise = { mean = [0.76, 0.55, 0.57], std = [0.14, 0.15, 0.17] }
[cohort]
manifest = "cases.csv"
image = "file"
target = "dx"
positive = ["mel"]
patient = "patient_id"
mask = "lesion_mask"
[cohort.reference]
method = "dx_type"
[cohort.attributes]
sex = { role = "protected" }
age = { role = "protected", bins = [0, 40, 60, 120], unit = "years" }
scanner = { role = "protocol" }
[audit]
profile = "standard"
""")
    config = load_audit(folder / "audit.toml")
    assert config.model.input.range == (0.0, 255.0)
    assert config.model.input.mean == (0.76, 0.55, 0.57)
    assert config.model.input.size == (64, 64)
    assert config.policy is None


def test_all_faults_at_once(folder: Path) -> None:
    """Faults of shape, between keys, of columns and of the policy come in one message."""
    (folder / "policy.toml").write_text('[[rule]]\nid = "a"\nprobe = "PERF001"\nmetrik = "auc"\nlimit = { min = 1 }\n')
    error = faults_of(
        folder,
        ("operating_point = 0.5", 'operating_point = 1.5\noperatig_point_source = "x"'),
        ("seed = 3", 'seed = "3"'),
        ('target = "label"', 'target = "labl"'),
        ('reason = "one ward"', 'unit = "x"'),
    )
    text = str(error)
    for part in ("not a probability", "operating_point_source", "audit.seed", "'label'", "confounder", "metrik"):
        assert part in text
    assert "did you mean 'metric'?" in text
    assert len(error.faults) == 7


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (('task = "binary"', 'taks = "binary"'), ["model", "'taks'", "did you mean 'task'?", "model.task: missing"]),
        (('kind = "predictions"', 'kind = "prediction"'), ["did you mean 'predictions'?"]),
        (("[audit]", "[audti]"), ["unknown key 'audti'", "did you mean 'audit'?"]),
        (('role = "protected", bins', 'role = "protectd", bins'), ["attributes.age.role", "did you mean 'protected'?"]),
        (("bins = [0, 40, 60, 120]", "bins = [0, 60, 40]"), ["attributes.age.bins", "rising numbers"]),
        (('classes = ["negative", "positive"]', 'classes = ["a", "b", "c"]'), ["two names", "got 3"]),
        (("operating_point = 0.5", 'operating_point = "0.5"'), ["model.operating_point", "a number"]),
        (("operating_point = 0.5", "operating_point = nan"), ["model.operating_point", "a number"]),
        (("operating_point = 0.5", "operating_point = { a = 0.5 }"), ["one number", "a table"]),
        (('output = "probabilities"', 'output = "mask_logits"'), ["model.output", "task 'binary'"]),
        (('path = "scores.csv"\n', ""), ["model.path: missing", "'predictions'"]),
        (('score = "score"\n', ""), ["model.score: missing"]),
        (('score = "score"\n', 'score = "scor"\n'), ["no column 'scor'", "did you mean 'score'?"]),
        (('path = "scores.csv"\ncase = "case_id"', 'path = "other.csv"'), ["model.case: missing", "two files"]),
        (("low = 0.02", "low = 0.2"), ["prevalence: out of order"]),
        (('manifest = "scores.csv"', 'manifest = "scoers.csv"'), ["scoers.csv", "did you mean 'scores.csv'?"]),
        (('patient = "patient_id"', 'patient = "Patient_ID"'), ["did you mean 'patient_id'?", "scanner"]),
        (('policy = "policy.toml"', 'policy = "polcy.toml"'), ["no such file", "did you mean 'policy.toml'?"]),
        (("seed = 3", "seed = -1"), ["audit.seed", "greater than or equal to 0"]),
        (("seed = 3", "seed = true"), ["audit.seed", "a whole number", "got true"]),
        (('kind = "predictions"', 'kind = "onnx"'), ["cohort.image: missing"]),
        (('statement = "triage"', "statement = [1]"), ["intended_use.statement", "a text in quotes"]),
        (('task = "binary"', 'task = "multiclass"'), ["cohort.positive: not used"]),
        (('task = "binary"', 'task = "segmentation"'), ["mask_logits or mask_probabilities", "cohort.mask: missing"]),
        (('classes = ["negative", "positive"]', 'classes = ["a", "a"]'), ["a name twice"]),
        (('kind = "predictions"', 'kind = "torch"'), ["model.factory: missing"]),
        (('score = "score"', 'score = "score"\nfactory = "nets.build"'), ["module:object"]),
        (('score = "score"', 'score = "score"\nscores = ["score"]'), ["score or scores"]),
        (('target = "label"', 'target = ["label", "sex"]'), ["cohort.target: too many columns"]),
        (('target = "label"', "target = []"), ["cohort.target", "a text or a list of texts"]),
        (("positive = [1]", "positive = [[1]]"), ["cohort.positive", "values of the column"]),
        (('target = "label"', 'target = "label"\nsplit = "scanner"'), ["split and split_value"]),
        (("[audit]", "[model.input]\nsize = [64]\n[audit]"), ["model.input.size", "whole numbers"]),
        (("[audit]", "[model.input]\nspacing_mm = [1, 0]\n[audit]"), ["model.input.spacing_mm", "above 0"]),
        (("[audit]", "[model.input]\nsize = [8, 8]\ntile = [4, 4, 4]\n[audit]"), ["tile", "2 numbers"]),
        (
            ("[audit]", "[model.input]\nchannels = 3\nnormalise = { mean = [0, 0], std = [0] }\n[audit]"),
            ["normalise.mean: wrong length", "std: not above 0"],
        ),
        (('profile = "standard"', 'profile = "huge"'), ["one of smoke, standard, full"]),
        (("[cohort.sampling]", "[model.input]\nrange = [1, 0]\n[cohort.sampling]"), ["model.input.range", "lower one"]),
    ],
)
def test_one_fault(folder: Path, edit: tuple[str, str], parts: list[str]) -> None:
    """Each fault says where it stands, what was expected and what is near."""
    text = str(faults_of(folder, edit))
    for part in parts:
        assert part in text


def test_wrong_path_shows_the_resolved_one(folder: Path) -> None:
    """A path where nothing is gives the absolute path that was looked at."""
    with pytest.raises(FaultsError, match=r"did you mean 'audit\.toml'") as caught:
        load_audit(folder / "aduit.toml")
    assert str(folder.resolve() / "aduit.toml") in str(caught.value)


@pytest.mark.parametrize("content", [b"[model\nkind = 1", b"a = = 2", b"\xff\xfe", b"[model]\n\x00", b"[" * 5000])
def test_not_toml(folder: Path, content: bytes) -> None:
    """A file that is no TOML gives one fault of three lines at most, never an exception of the parser."""
    (folder / "audit.toml").write_bytes(content)
    error = faults_of(folder)
    assert len(error.faults) == 1


def test_syntax_error_names_the_line(folder: Path) -> None:
    """A syntax error names its line and shows it."""
    (folder / "audit.toml").write_text('[model]\nkind = "onnx"\npath = oops\n')
    assert "line 3" in str(faults_of(folder))
    assert "path = oops" in str(faults_of(folder))


def test_a_folder_is_no_file(folder: Path) -> None:
    """A folder in place of the file is a fault with the file's name as its fix."""
    with pytest.raises(FaultsError, match=r"audit\.toml"):
        load_audit(folder)


def test_hostile_text_stays_on_its_line(folder: Path) -> None:
    """Newlines and escape sequences in keys and values cannot break a message."""
    error = faults_of(folder, ("[audit]", '[audit]\n"a\\nb\\u001b[31m" = "x\\ny"'))
    assert "\x1b" not in str(error)


def test_unknown_probe_and_metric_of_the_policy(folder: Path) -> None:
    """With the catalogue at hand, rules on unknown probes or metrics are faults of the same message."""
    (folder / "policy.toml").write_text(
        '[[rule]]\nid = "a"\nprobe = "PERF001"\nmetric = "sensitivty"\nlimit = { min = 0 }\n'
        '[[rule]]\nid = "b"\nprobe = "PERF01"\nmetric = "auc"\nlimit = { min = 0 }\n'
    )
    text = str(faults_of(folder, infos={"PERF001": INFO}))
    assert "did you mean 'sensitivity'?" in text
    assert "did you mean 'PERF001'?" in text


def test_digest_follows_values_not_comments(folder: Path) -> None:
    """A comment leaves the digest as it is; a value changes it."""
    before = load_audit(folder / "audit.toml").digest
    text = (folder / "audit.toml").read_text()
    (folder / "audit.toml").write_text("# a comment\n" + text)
    assert load_audit(folder / "audit.toml").digest == before
    (folder / "audit.toml").write_text(text.replace("operating_point = 0.5", "operating_point = 0.51"))
    assert load_audit(folder / "audit.toml").digest != before


def test_check_columns(folder: Path) -> None:
    """Every column that is not in the manifest is named, with those that are there."""
    config = load_audit(folder / "audit.toml")
    check_columns(config, ("case_id", "patient_id", "label", "sex", "age"))
    with pytest.raises(FaultsError) as caught:
        check_columns(config, ("case_id", "patient", "lable", "sex", "age"))
    assert len(caught.value.faults) == 2
    assert "did you mean 'lable'?" in str(caught.value)


def test_multilabel_operating_points(folder: Path) -> None:
    """A multilabel model has a target column and may have an operating point a finding."""
    text = (folder / "audit.toml").read_text()
    for old, new in (
        ('task = "binary"', 'task = "multilabel"'),
        ('score = "score"', 'scores = ["score", "age"]'),
        ('target = "label"\npositive = [1]', 'target = ["label", "scanner"]'),
        ("operating_point = 0.5", "operating_point = { negative = 0.2, positive = 0.3 }"),
    ):
        text = text.replace(old, new)
    (folder / "audit.toml").write_text(text)
    config = load_audit(folder / "audit.toml")
    assert config.model.operating_point == {"negative": 0.2, "positive": 0.3}
    assert "unknown finding" in str(faults_of(folder, ("{ negative =", "{ negatve =")))


def test_schema_accepts_what_is_read(folder: Path) -> None:
    """The published JSON Schema accepts the right file and refuses an unknown key."""
    import tomllib

    import jsonschema

    raw = tomllib.loads((folder / "audit.toml").read_text())
    jsonschema.validate(raw, schema("audit"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**raw, "modle": {}}, schema("audit"))
    assert "model.input" in AUDIT_SECTIONS
