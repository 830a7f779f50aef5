"""The keys under which results are kept: a digest over all that they rest on."""

from __future__ import annotations

import functools
import hashlib
import inspect
import secrets
from dataclasses import dataclass, fields
from pathlib import Path

from audit.core import Access, ImagingModel, Probe, digest
from audit.execution._marks import NoMark, code_mark, mark, model_mark
from audit.execution._runner import Setting, probe_seed

_FORMAT = 1
# Named one by one in `Basis`, or of no weight for a number.
_APART = {"model", "store", "digest_before", "states", "training", "monitor", "surrogates", "explain", "stops"}


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What the results of a run rest on.

    Args:
        answers: Digest over model, code and cases as declared; what the model says of a case rests on it, and on the
            image.
        rest: Digest over everything that any probe may look at; empty before the clean predictions are known.
        asked: By what only some probes look at, its digest; a value that has none is drawn anew for each run.
        seed: Seed of the run.
        stops: By the code of a probe that may stop early, what that rests on.
    """

    answers: str
    rest: str = ""
    asked: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    stops: tuple[tuple[str, str], ...] = ()

    def probe(self, probe: type[Probe]) -> str:
        """Return the key of a probe's result."""
        info = probe.info
        looked = [value for name, value in self.asked if _looks(probe, name)]
        looked += [key for code, key in self.stops if code == info.code]
        return digest(["probe", self.rest, looked, info.code, info.version, _source(probe),
                       probe_seed(self.seed, info.code)])  # fmt: skip


def _looks(probe: type[Probe], name: str) -> bool:
    """Return whether a probe may look at something that is declared for some; of a plugin's nothing is known."""
    if probe.__module__.partition(".")[0] != "audit":
        return True
    access, family = probe.info.access, probe.info.family
    trains = access is Access.TRAINABLE or family in ("PERF", "CONF", "XAI")
    return {"training": trains, "monitor": family == "SHIFT", "surrogates": family == "ADV",
            "explain": family == "XAI"}.get(name, True)  # fmt: skip


@functools.cache
def _source(probe: type[Probe]) -> str:
    """Return the digest of the file that a probe stands in; that of a plugin has a version of its own."""
    try:
        return hashlib.sha256(Path(inspect.getfile(probe)).read_bytes()).hexdigest()
    except (TypeError, OSError):
        return _once()


def _once() -> str:
    """Return a mark that fits nothing else, so that what rests on it is never used again."""
    return secrets.token_hex(16)


def answers_basis(model: ImagingModel, cohort_mark: str, root: Path | None) -> Basis:
    """Return the basis of the clean predictions.

    Args:
        model: The model.
        cohort_mark: Mark of the cohort as the manifest gives it.
        root: The folder of audit.toml, None for a run from Python.

    Returns:
        The basis; of a model whose digest does not stand for its answers one that fits no other run.
    """
    try:
        answering = model_mark(model, root)
    except NoMark:
        answering = _once()
    return Basis(answers=digest([_FORMAT, code_mark(), answering, cohort_mark]))


def probes_basis(basis: Basis, setting: Setting) -> Basis:
    """Return the basis of probes, once the clean predictions are known."""
    shared = {f.name: getattr(setting, f.name) for f in fields(setting) if f.name not in _APART}
    asked = [(name, mark_or_once(getattr(setting, name))) for name in ("training", "monitor", "surrogates", "explain")]
    return Basis(
        answers=basis.answers, rest=digest([basis.answers, mark_or_once(shared)]), asked=tuple(asked),
        seed=setting.seed, stops=tuple((code, stop.key) for code, stop in setting.stops.items()),
    )  # fmt: skip


def mark_or_once(value: object) -> str:
    """Return the mark of a value; of one that has none, a mark that fits nothing else."""
    try:
        return mark(value)
    except NoMark:
        return _once()
