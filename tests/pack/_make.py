"""A small run from saved predictions, and its pack."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from audit import session
from audit.config import load_audit
from tests.session._make import write

HOSTILE = "<script>alert(1)</script>"


def small_run(folder, *, name="run", **more):
    """Return the folder of a run of 300 cases."""
    path = write(folder / f"{name}-files", **{"n": 300, **more})
    session.run_config(load_audit(path), out=folder / name, probes="PERF001,FAIR001,DATA003,SETUP*")
    return folder / name


def hostile_run(folder):
    """Return a run whose every text that a user writes is markup, a formula or a path."""
    path = write(folder / "files", n=300, sexes=(HOSTILE, "=cmd|' /C calc'!A0"))
    text = path.read_text(encoding="utf-8")
    text = text.replace(
        "[cohort]\n", f'[cohort]\nname = "{HOSTILE}"\nprovenance = "\\"><img src=x onerror=alert(1)>"\n', 1
    )
    text = text.replace("[model]\n", '[model]\nname = "{{ 7 * 7 }}</style><b>"\nversion = "../../etc"\n', 1)
    path.write_text(text, encoding="utf-8")
    policy = path.with_name("policy.toml")
    policy.write_text(policy.read_text().replace("a test", "</td><script>alert(2)</script>"), encoding="utf-8")
    session.run_config(load_audit(path), out=folder / "run", probes="PERF001,FAIR001,DATA003,SETUP*")
    return folder / "run"


def unzipped(data):
    """Return the files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {n: z.read(n) for n in z.namelist()}


def text_of(html):
    """Return what a page says, without its markup and style."""
    import re
    from html import unescape

    body = re.sub(rb"<style>.*?</style>", b"", html, flags=re.DOTALL).decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def counted(labels, scores, point=0.5):
    """Return true positives, false negatives, false positives and true negatives."""
    labels, decided = np.asarray(labels) == 1, np.asarray(scores) >= point
    return tuple(
        int(x.sum()) for x in (labels & decided, labels & ~decided, ~labels & decided, ~labels & ~decided)
    )  # fmt: skip
