"""The action and the examples for CI can be read by those who run them, and the action's exit code is the verdict's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.verification._runs import MARGINS, make

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "ci.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def action():
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def test_the_action_is_a_composite_one_that_takes_no_input_as_code(action):
    """Every step has what GitHub asks for, and no script holds an expression."""
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert ("run" in step) != ("uses" in step)
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]
    assert all("description" in v for v in (*action["inputs"].values(), *action["outputs"].values()))
    named = set(re.findall(r"inputs\.([a-z]+)", (ROOT / "action.yml").read_text()))
    assert named == set(action["inputs"])


def test_the_example_for_github_uses_inputs_that_the_action_has(action):
    """`with` names only what action.yml takes."""
    (text,) = blocks("yaml")[:1]
    job = yaml.safe_load(text)["jobs"]["audit"]
    used = next(step for step in job["steps"] if step.get("uses") == "./")
    assert set(used["with"]) <= set(action["inputs"])
    assert all(set(step) & {"uses", "run"} for step in job["steps"])


def test_the_example_for_gitlab_is_a_pipeline():
    """Jobs have a stage that is listed and a script; needs name a job; the JUnit report is the run's."""
    pipeline = yaml.safe_load(blocks("yaml")[1])
    stages = pipeline.pop("stages")
    for job in pipeline.values():
        assert job["stage"] in stages
        assert all(isinstance(line, str) for line in job["script"])
        assert all(need["job"] in pipeline for need in job.get("needs", ()))
    assert pipeline["audit"]["artifacts"]["reports"]["junit"] == "audit-run/junit.xml"
    assert pipeline["audit"]["artifacts"]["when"] == "always"


def groovy_blocks(text):
    """Return the blocks of a declarative pipeline as a tree of (heading, children); statements have none."""
    tokens = re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[{}\n]|[^{}\n'\"]+", text)
    root, stack, head = [], [], ""
    here = root
    for token in tokens:
        if token == "{":
            child = []
            here.append((head.strip(), child))
            stack.append(here)
            here, head = child, ""
        elif token == "}":
            if head.strip():
                here.append((head.strip(), None))
            here, head = stack.pop(), ""
        elif token == "\n":
            if head.strip():
                here.append((head.strip(), None))
            head = ""
        else:
            head += token
    assert not stack, "an open brace"
    return root


def test_the_example_for_jenkins_is_a_declarative_pipeline():
    """One pipeline with an agent, stages whose steps run a shell, and a post section with the JUnit report."""
    ((head, body),) = groovy_blocks(blocks("groovy")[0])
    assert head == "pipeline"
    parts = dict(body)
    assert {"agent", "stages", "post"} == set(parts)
    for name, stage in parts["stages"]:
        assert re.fullmatch(r"stage\('[^']+'\)", name)
        (steps,) = [children for head, children in stage if head == "steps"]
        assert all(re.fullmatch(r"sh '[^']+'", line) for line, _ in steps)
    always = dict(dict(parts["post"])["always"])
    assert "junit 'audit-run/junit.xml'" in always


def run_action(action, tmp_path, **inputs):
    """Run the action's own script as a runner would; gives exit code and outputs."""
    step = next(s for s in action["runs"]["steps"] if s.get("id") == "judge")
    values = {k: v.get("default", "") for k, v in action["inputs"].items()} | inputs
    names = {k: re.search(r"inputs\.([a-z]+)", v).group(1) for k, v in step["env"].items()}
    output = tmp_path / "output"
    output.write_text("")
    env = {
        **os.environ, **{k: str(values[n]) for k, n in names.items()}, "GITHUB_OUTPUT": str(output),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    env.pop("GITHUB_ACTIONS", None)
    done = subprocess.run(["bash", "-e", "-c", step["run"]], env=env, cwd=tmp_path, capture_output=True, text=True)
    return done.returncode, dict(line.split("=", 1) for line in output.read_text().splitlines())


@pytest.mark.slow
def test_the_action_ends_with_the_verdict(action, tmp_path):
    """PASS, FAIL against a baseline, INCONCLUSIVE without one; what is no verdict is none."""
    base = make(tmp_path / "base", n=600, margins=MARGINS)
    worse = make(tmp_path / "worse", n=600, noise=2.2, seed=1, margins=MARGINS)
    better = make(tmp_path / "better", n=600, noise=0.8, seed=1, margins=MARGINS)
    said = {"code": "0", "outcome": "PASS", "run": str(better)}
    assert run_action(action, tmp_path, run=better, baseline=base) == (0, said)
    assert run_action(action, tmp_path, run=worse, baseline=base)[0] == 1
    assert run_action(action, tmp_path, run=better)[1]["outcome"] == "INCONCLUSIVE"
    assert run_action(action, tmp_path, run=tmp_path / "absent") == (
        2, {"code": "2", "outcome": "", "run": str(tmp_path / "absent")},
    )  # fmt: skip
    assert run_action(action, tmp_path)[0] == 2
    # An input is data, whatever it looks like.
    assert run_action(action, tmp_path, run='"; touch owned; "')[0] == 2
    assert not (tmp_path / "owned").exists()
