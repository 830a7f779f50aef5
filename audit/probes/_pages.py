"""A probe's page in the docs, made from its docstring and its entry in the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from audit.core import FAMILIES, Probe
from audit.errors import PluginError

HEADINGS = ("What it measures", "Why it matters clinically", "Known problems", "Example", "References")
FAMILY_TITLES = {
    "DATA": "Data",
    "SETUP": "Set-up",
    "PERF": "Performance",
    "CAL": "Calibration",
    "FAIR": "Fairness",
    "CONF": "Confounding",
    "ADV": "Adversarial robustness",
    "XAI": "Explanations",
    "SHIFT": "Change of protocol",
}
ACCESS_WORDS = {
    "SAVED": "saved predictions are enough",
    "QUERY": "the model must answer for new images",
    "GRADIENT": "the model must give gradients",
    "TRAINABLE": "the model must be trained again",
}


def sections(probe: type[Probe]) -> dict[str, str]:
    """Return the docstring of a probe by heading, "" being what stands before the first.

    Raises:
        PluginError: A heading is absent, twice or without text.
    """
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(probe.__doc__ or "").splitlines():
        name = line.removesuffix(":")
        if line.endswith(":") and name in HEADINGS and name not in parts:
            current = name
            parts[current] = []
        else:
            parts[current].append(line)
    found = {name: inspect.cleandoc("\n".join(["", *lines])) for name, lines in parts.items()}
    absent = [name for name in ("", *HEADINGS) if not found.get(name)]
    if absent:
        raise PluginError(
            f"{probe.info.code}: its docstring is its page in the docs",
            expected=f"a sentence and the headings {', '.join(HEADINGS)}",
            got=f"nothing under {', '.join(name or 'the first line' for name in absent)}",
        )
    return found


def page(probe: type[Probe]) -> str:
    """Return the page of one probe as Markdown."""
    info, text = probe.info, sections(probe)
    facts = [
        ("Question", info.question),
        ("Metrics", ", ".join(f"`{metric}`" for metric in info.metrics)),
        *([("Not for blocking rules", ", ".join(f"`{m}`" for m in info.descriptive))] if info.descriptive else []),
        *([("May stop early", ", ".join(f"`{m}`" for m in info.sequential))] if info.sequential else []),
        ("Tasks", ", ".join(info.tasks)),
        ("Access", ACCESS_WORDS[info.access.name]),
        ("Needs", ", ".join(info.needs) or "nothing beside predictions and targets"),
        ("Method", info.method),
        ("Limits", info.limits),
        ("Since", info.since),
    ]
    lines = [f"# {info.code} {info.name}", "", text[""], "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in facts]
    for heading in HEADINGS:
        lines += ["", f"## {heading}", "", text[heading]]
    return "\n".join(lines) + "\n"


def index(probes: Iterable[type[Probe]]) -> str:
    """Return the page that lists all probes by family."""
    known = list(probes)
    lines = ["# Probes", "", "One page a probe, made from its docstring."]
    for family in FAMILIES:
        own = [probe.info for probe in known if probe.info.family == family]
        if not own:
            continue
        lines += ["", f"## {FAMILY_TITLES[family]}", "", "| code | weakness | question |", "| --- | --- | --- |"]
        lines += [f"| [{info.code}]({info.code}.md) | {info.name} | {info.question} |" for info in own]
    return "\n".join(lines) + "\n"


def pages(probes: Iterable[type[Probe]]) -> dict[str, str]:
    """Return every page by its file's name."""
    known = list(probes)
    return {"index.md": index(known), **{f"{probe.info.code}.md": page(probe) for probe in known}}
