"""README and docs name files, commands, options and keys that exist, and their examples can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from audit.cli import app
from audit.config import load_audit, load_policy, schema

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
CALL = re.compile(r"^audit ([a-z]+)\b([^#\n]*)", re.MULTILINE)
# The first table of audit.toml, to which the examples of docs/configuration.md are added.
HEAD = """
[model]
kind = "torch"
path = "weights.safetensors"
factory = "nets:net"
task = "binary"
output = "logits"
classes = ["naevus", "melanoma"]
[cohort]
manifest = "cases.csv"
image = "file"
target = "dx"
positive = "mel"
patient = "patient_id"
"""


def code(page: Path) -> str:
    """Return what stands in blocks of code and between backticks, but for what is said not to exist yet."""
    text = re.sub(r"not yet:.*", "", page.read_text(encoding="utf-8"))
    parts = re.split(r"^```.*\n", text, flags=re.MULTILINE)
    spans = [span for prose in parts[::2] for span in re.findall(r"`([^`\n]+)`", prose)]
    return "\n".join([*parts[1::2], *spans])


def name(path: Path) -> str:
    """Return how a page is called in the output of pytest."""
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """Return the blocks of code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link to a file of the project is to one that is there."""
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_and_option_exists(page: Path) -> None:
    """What is typed after `audit` is a command of it, with options that this command has."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for command, rest in CALL.findall(code(page)):
        assert command in commands, command
        found = commands[command]
        if hasattr(found, "commands"):
            word = next(iter(rest.split()), "")
            assert not word or word in found.commands, f"audit {command}{rest}"
            found = found.commands.get(word, found)
        options = {text for p in found.params for text in p.opts}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options, f"audit {command}{rest}"


def keys(node: Any) -> Iterator[str]:
    """Return the names of all properties of a JSON Schema."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.values():
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


@pytest.mark.parametrize("file", ["audit", "policy"])
def test_every_key_of_a_file_is_explained(file: str) -> None:
    """docs/configuration.md names each key that audit.toml and policy.toml may have."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    missing = {key for key in keys(schema(file)) if not re.search(rf"\b{re.escape(key)}\b", page)}
    assert missing == set()


def test_the_examples_of_the_readme_can_be_read(tmp_path: Path) -> None:
    """Its audit.toml fits the table of its first command, and its policy has one rule."""
    first, second = blocks(ROOT / "README.md", "toml")
    (tmp_path / "scores.csv").write_text("case_id,patient_id,label,score,sex\na,p,1,0.9,f\nb,q,0,0.2,m\n")
    (tmp_path / "audit.toml").write_text(first)
    (tmp_path / "policy.toml").write_text(second)
    assert load_audit(tmp_path / "audit.toml").model.kind == "predictions"
    assert [rule.metric for rule in load_policy(tmp_path / "policy.toml").rules] == ["sensitivity"]


def test_the_examples_of_the_configuration_can_be_read(tmp_path: Path) -> None:
    """All tables of the page make one audit.toml, and its last block is a policy."""
    *tables, policy = blocks(ROOT / "docs" / "configuration.md", "toml")
    columns = "file,patient_id,dx,sex,age,scanner,reader_p,rule\n"
    rows = "1.png,p,mel,f,30,A,0.5,mel\n2.png,q,nv,m,50,B,0.1,nv\n"
    for weights in ("weights.safetensors", "twin.safetensors"):
        (tmp_path / weights).touch()
    for table in ("cases.csv", "train.csv"):
        (tmp_path / table).write_text(columns + rows)
    (tmp_path / "audit.toml").write_text(HEAD + "\n".join(tables))
    (tmp_path / "policy.toml").write_text(policy)
    config = load_audit(tmp_path / "audit.toml")
    assert config.policy.waivers[0].rule == config.policy.rules[0].id
