"""Writes docs/reference-models/index.md from the systems that are shipped: `python docs/build_reference_index.py`."""

from __future__ import annotations

import re
from pathlib import Path

from audit.reference import is_twin, list_models

FOLDER = Path(__file__).parent / "reference-models"
HEAD = """# Reference models

Small models of ours, built after the systems of a lecture on imaging (M. de Bruijne, "Machine Learning in Medical
Imaging", 12 March 2021), trained on phantoms and audited by this suite. What is wrong with each is known, because it
was planted: they show what an audit of each kind of system looks like, and they keep the auditor honest. Every figure
of theirs is one of a phantom and says nothing of patients.

```
audit reference list                                  # name, slides of the lecture, task
audit reference audit gender-biased --out biased-run  # its files go into biased-run-files
audit reference build gender-biased --out rebuilt     # trains it again and prints its figures beside the shipped ones
make reference                                        # all of it for all of them
make reference-curves SYSTEM=protocol-transfer        # training-size curves and grids; resumable
```

| name | slides | task | what it is | page |
| --- | --- | --- | --- | --- |
"""
TAIL = """
The twins of the demo (`biased`, `healthy`, `sex-only`, `protocol-only`, `undefended`) are audited by `audit demo`. The
[probes that the lecture implies](implied-probes.md) are listed with what answers them here, and the
[figures of the lecture](lecture-figures.md) stand beside those of the phantoms (written by `build_lecture_figures.py`).
"""


def page_of(name: str) -> str | None:
    """Return the page that says how a model is audited, None where there is none."""
    own = FOLDER / f"{name}.md"
    if own.is_file():
        return own.name
    command = re.compile(rf"audit reference audit {re.escape(name)}(?![\\w-])")
    pages = (p for p in sorted(FOLDER.glob("*.md")) if p.name not in ("index.md", "implied-probes.md"))
    return next((p.name for p in pages if command.search(p.read_text(encoding="utf-8"))), None)


def index() -> str:
    """Return the page's text."""
    rows = []
    for model in list_models():
        if not is_twin(model.name):
            page = page_of(model.name)
            link = "" if page is None else f"[{page.removesuffix('.md')}]({page})"
            rows.append(f"| `{model.name}` | {model.slides} | {model.task} | {model.title} | {link} |\n")
    return HEAD + "".join(rows) + TAIL


def main() -> None:
    """Write the page."""
    (FOLDER / "index.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
