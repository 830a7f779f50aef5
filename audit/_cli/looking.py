"""`audit probes` and `audit schema`."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Literal

from audit._cli.shell import printable, say
from audit.errors import EXIT_PASS, InputError, PluginError

if TYPE_CHECKING:
    from audit.core import Probe, ProbeInfo

_FAMILY_TITLES = {
    "DATA": "the cohort", "SETUP": "the set-up", "PERF": "performance", "CAL": "calibration", "FAIR": "subgroups",
    "CONF": "confounders", "ADV": "attacks", "XAI": "explanations", "SHIFT": "changes of acquisition",
}  # fmt: skip


def list_probes() -> int:
    """Print the catalogue by family; the first word of each row of a probe is its code."""
    from audit.probes import catalogue

    known = catalogue()
    family = ""
    for info in known.infos.values():
        if info.family != family:
            family = info.family
            say(f"\n{family}  {_FAMILY_TITLES.get(family, '')}".rstrip())
        say(_wrapped(f"  {info.code:<9} ", f"{info.title}. {info.question}"))
    for plugin in known.failed:
        print(printable(f"plugin {plugin.name} could not be loaded: {plugin.message}"), file=sys.stderr)
    say("\n'audit probes CODE' explains one.")
    return EXIT_PASS


def explain_probe(code: str) -> int:
    """Print what one probe asks, how, and what cannot be concluded from it."""
    from audit.probes import catalogue

    known = catalogue()
    wanted = code.strip().upper()
    if wanted not in known.infos:
        import difflib

        near = difflib.get_close_matches(wanted, list(known.infos), n=1, cutoff=0.5)
        fix = f"did you mean '{near[0]}'?" if near else "'audit probes' lists them"
        raise InputError(f"unknown probe '{code}'", expected="a code of the catalogue", got=f"'{code}'", fix=fix)
    for name, text in _rows(known.infos[wanted]):
        if text:
            say(_wrapped(f"{name:<11} ", text))
    for name, text in _page(known.probes[wanted]):
        say(f"\n{name}")
        paragraphs = (_wrapped("  ", " ".join(paragraph.split())) for paragraph in text.split("\n\n"))
        say("\n\n".join(paragraphs))
    return EXIT_PASS


def _page(probe: type[Probe]) -> list[tuple[str, str]]:
    """Return the sections of a probe's page; none for a plugin whose docstring is no page."""
    from audit.probes import sections

    try:
        found = sections(probe)
    except PluginError:
        return []
    return [(name, text) for name, text in found.items() if name and name != "References"]


def _rows(info: ProbeInfo) -> list[tuple[str, str]]:
    return [
        (info.code, f"{info.title} ({info.name})"),
        ("question", info.question),
        ("method", info.method),
        ("metrics", ", ".join(info.metrics)),
        ("stops early", ", ".join(info.sequential)),
        ("tasks", ", ".join(info.tasks)),
        ("needs", ", ".join([f"a model with access {info.access.name}", *(n.replace("_", " ") for n in info.needs)])),
        ("limits", info.limits),
        ("references", "; ".join(info.references)),
        ("doc", info.doc_url),
        ("since", f"{info.since}, version {info.version}"),
    ]


def _wrapped(head: str, text: str) -> str:
    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 110))
    return textwrap.fill(printable(text), width=width, initial_indent=head, subsequent_indent=" " * len(head))


def print_schema(kind: Literal["evidence", "audit", "policy"]) -> int:
    """Print a JSON Schema."""
    say(json.dumps(_schema(kind), indent=2, ensure_ascii=False))
    return EXIT_PASS


def _schema(kind: Literal["evidence", "audit", "policy"]) -> dict[str, Any]:
    if kind == "evidence":
        from audit.evidence import evidence_schema

        return evidence_schema()
    from audit.config import schema

    return schema(kind)
