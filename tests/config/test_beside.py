"""audit.toml: comparators, follow-up, other splits, verification, and the intended population."""

from pathlib import Path

import pytest

from audit.config import load_audit
from audit.core import Access, Comparator, OtherSpec, ProbeInfo
from audit.errors import FaultsError

INFOS = {
    code: ProbeInfo(
        code=code, name="x", family=code[:4], tasks=("binary",), access=Access.SAVED, title="t", question="q",
        method="m", limits="l", metrics=("sensitivity", "ppv"), at_prevalence=("ppv",),
    )
    for code in ("PERF001", "CONF001")
}  # fmt: skip
POLICY = """
[not_applicable]
allow = ["CONF*"]
[[rule]]
id = "predictive value"
probe = "PERF001"
metric = "ppv"
limit = { min = 0.1 }
"""
SURVIVAL = """
[model]
kind = "predictions"
path = "scores.csv"
case = "case_id"
score = "score"
task = "survival"
output = "probabilities"
horizon = 365
[cohort]
manifest = "scores.csv"
case = "case_id"
time = "age"
event = "label"
"""


def edit(folder: Path, *edits: tuple[str, str]) -> Path:
    """Replace texts in audit.toml; return its path."""
    path = folder / "audit.toml"
    text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


def faults(folder: Path, *edits: tuple[str, str]) -> str:
    """Return what load_audit says of a file after some replacements."""
    with pytest.raises(FaultsError) as caught:
        load_audit(edit(folder, *edits))
    for fault in caught.value.faults:
        assert len(str(fault).splitlines()) <= 3
        assert fault.expected
        assert fault.got
        assert fault.fix
    assert caught.value.exit_code == 2
    return str(caught.value)


def cohort(text: str) -> tuple[str, str]:
    """An edit that adds tables of the cohort."""
    return "[audit]", f"{text}\n[audit]"


def test_what_is_declared_is_typed(folder: Path) -> None:
    """Every key of what stands beside the cases arrives."""
    (folder / "train.csv").write_text("who,file\np1,a.png\n")
    path = edit(
        folder,
        cohort(
            "[cohort.comparators]\n"
            'radiologist = { column = "score", output = "probabilities", operating_point = 0.4 }\n'
            '[cohort.training]\nmanifest = "train.csv"\npatient = "who"\n'
            '[[cohort.other]]\nname = "tuning"\nmanifest = "train.csv"\nimage = "file"\n'
            '[cohort.reference]\nverified = "label"'
        ),
        ('patient = "patient_id"', 'patient = "patient_id"\nungradable = "scanner"\nungradable_values = "B"'),
        ("operating_point = 0.5", 'operating_point = 0.5\noperating_point_chosen_on = "validation"'),
        ("[intended_use]", "[intended_use]\ncases_per_year = 5000\npopulation = { sex = { F = 0.5, M = 0.495 } }"),
    )
    config = load_audit(path)
    spec = config.cohort
    assert spec.comparators == (
        Comparator(name="radiologist", column="score", output="probabilities", operating_point=0.4),
    )
    assert spec.others == (
        OtherSpec(name="training", manifest="train.csv", patient="who"),
        OtherSpec(name="tuning", manifest="train.csv", image="file"),
    )
    assert (spec.verified, spec.ungradable, spec.ungradable_values) == ("label", "scanner", ("B",))
    assert config.model.operating_point_chosen_on == "validation"
    assert config.intended_use.population == {"sex": {"F": 0.5, "M": 0.495}}
    assert config.intended_use.cases_per_year == 5000


def test_survival_is_typed(folder: Path) -> None:
    """A survival model has a horizon, its cohort a time and an event in place of a target."""
    (folder / "audit.toml").write_text(SURVIVAL)
    config = load_audit(folder / "audit.toml")
    assert config.model.horizon == 365
    assert (config.cohort.target, config.cohort.time, config.cohort.event) == ((), "age", "label")


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([("horizon = 365\n", "")], "model.horizon: missing"),
        ([('time = "age"\n', "")], "cohort.time: missing"),
        ([('event = "label"\n', "")], "cohort.event: missing"),
        ([('time = "age"\n', 'time = "ages"\n')], "did you mean 'age'?"),
        ([('event = "label"', 'event = "label"\ntarget = "label"')], "cohort.target: not used"),
        ([('output = "probabilities"', 'output = "logits"')], "model.output: does not go with the task"),
        ([('task = "survival"', 'task = "binary"')], "cohort.target: missing"),
        ([('task = "survival"', 'task = "binary"')], "model.horizon: not used"),
    ],
)
def test_a_survival_task_is_declared_as_a_whole(folder: Path, edits: list[tuple[str, str]], said: str) -> None:
    """Horizon, time and event are asked for, and refused where they mean nothing."""
    (folder / "audit.toml").write_text(SURVIVAL)
    assert said in faults(folder, *edits)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('r = { column = "scores", output = "probabilities" }', "did you mean 'score'?"),
        ('r = { column = "score", output = "odds" }', "one of probabilities, value, decision"),
        ('r = { column = "score", output = "decision", operating_point = 0.5 }', "a threshold on decisions"),
        ('r = { column = "score", output = "probabilities", operating_point = 50 }', "not a probability"),
        ('r = { output = "probabilities" }', "cohort.comparators.r.column: missing"),
    ],
)
def test_a_comparator_that_cannot_be_compared(folder: Path, line: str, said: str) -> None:
    """Column, output and threshold of a comparator are checked."""
    assert said in faults(folder, cohort(f"[cohort.comparators]\n{line}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[cohort.training]\nmanifest = "trian.csv"', "did you mean 'train.csv'?"),
        ('[cohort.training]\nmanifest = "train.csv"\npatient = "whoo"', "did you mean 'who'?"),
        ('[cohort.training]\nmanifest = "scores.csv"', "the manifest of the audited cases"),
        ('[[cohort.other]]\nmanifest = "train.csv"', "cohort.other 1: name: missing"),
        (
            '[[cohort.other]]\nname = "a"\nmanifest = "train.csv"\n' * 2,
            "stands twice",
        ),
        ('[cohort.reference]\nverified = "labl"', "did you mean 'label'?"),
    ],
)
def test_another_split_that_is_not_there(folder: Path, text: str, said: str) -> None:
    """Files and columns of other splits and of the verification are looked for before the run."""
    (folder / "train.csv").write_text("who,file\np1,a.png\n")
    assert said in faults(folder, cohort(text))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("{ sex = { F = 0.5, M = 0.4 } }", "shares that do not add up"),
        ("{ sx = { F = 0.5, M = 0.5 } }", "did you mean 'sex'?"),
        ("{ sex = { F = 1.5, M = -0.5 } }", "a share from 0 to 1"),
        ("{ sex = 0.5 }", "a share from 0 to 1"),
        ('"people.csv"', "no such file 'people.csv'"),
    ],
)
def test_a_population_that_is_none(folder: Path, declared: str, said: str) -> None:
    """Shares of an attribute that the cohort has add up to 1, within 0.01."""
    assert said in faults(folder, ("[intended_use]", f"[intended_use]\npopulation = {declared}"))


def test_a_population_in_a_table(folder: Path) -> None:
    """A CSV file gives the same population as the key; what is wrong in it is named by row."""
    table = folder / "people.csv"
    table.write_text("attribute,level,share\nsex,F,0.6\nsex,M,0.4\n")
    path = edit(folder, ("[intended_use]", '[intended_use]\npopulation = "people.csv"'))
    assert load_audit(path).intended_use.population == {"sex": {"F": 0.6, "M": 0.4}}
    table.write_text("attribute,level,share\nsex,F,half\nsex,M,0.4\nsex,M,0.6\n")
    said = faults(folder)
    assert "row 0 has no attribute, no level or no share" in said
    assert "row 2 names a level twice" in said
    table.write_text("attribute,levels,share\nsex,F,1\n")
    assert "did you mean 'levels'?" in faults(folder)


def test_the_rater_of_the_training_is_a_rater(folder: Path) -> None:
    """The reader whose labels trained the model is one of the cohort's."""
    said = faults(
        folder,
        ("operating_point = 0.5", 'operating_point = 0.5\ntraining_rater = "reader_b"'),
        ("[cohort.attributes]", '[cohort.attributes]\nlabel = { role = "rater" }\nreader_a = { role = "rater" }'),
        ("age = {", '"scanner" = { role = "protocol" }\nage = {'),
    )
    assert "model.training_rater: 'reader_b' is no rater" in said
    assert "did you mean 'reader_a'?" in said


def test_all_faults_come_at_once(folder: Path) -> None:
    """A comparator, a split, a population and a threshold that are wrong are one message."""
    said = faults(
        folder,
        ("operating_point = 0.5", 'operating_point = 0.5\noperating_point_chosen_on = "audit"'),
        ("[intended_use]", "[intended_use]\npopulation = { sex = { F = 0.5 } }"),
        cohort('[cohort.comparators]\nr = { column = "x", output = "value" }\n[cohort.training]\nmanifest = "y.csv"'),
    )
    for key in ("operating_point_chosen_on", "population.sex", "comparators.r.column", "training.manifest"):
        assert key in said


def test_a_rule_that_needs_a_prevalence_is_refused_without_one(folder: Path) -> None:
    """A predictive value of a sample is none of a population: the rule is named, and what to declare."""
    (folder / "policy.toml").write_text(POLICY)
    path = folder / "audit.toml"
    assert load_audit(path, infos=INFOS).policy is not None
    edit(folder, ('prevalence = { value = 0.04, low = 0.02, high = 0.08, source = "registry" }', ""))
    with pytest.raises(FaultsError) as caught:
        load_audit(path, infos=INFOS)
    assert "rule 'predictive value'" in str(caught.value)
    assert "declare prevalence" in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_absence_is_allowed_of_probes_that_exist(folder: Path) -> None:
    """A pattern that matches no probe would allow nothing in silence."""
    (folder / "policy.toml").write_text(POLICY.replace('"CONF*"', '"CONF*", "PERF01"'))
    with pytest.raises(FaultsError) as caught:
        load_audit(folder / "audit.toml", infos=INFOS)
    assert "[not_applicable] allow: unknown probe 'PERF01'" in str(caught.value)
    assert "did you mean 'PERF001'?" in str(caught.value)
