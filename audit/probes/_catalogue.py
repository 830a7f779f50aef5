"""Which probes there are: those of this distribution and of others, all by the same entry points."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points

from audit.core import FAMILIES, Probe, ProbeInfo
from audit.errors import InputError, PluginError

GROUP = "audit.probes"
OWN = "audit.probes:PROBES"


@dataclass(frozen=True, kw_only=True)
class FailedPlugin:
    """A plugin that could not be loaded; its probes are unknown, so the audit cannot be complete.

    Args:
        name: Name of the entry point.
        message: What went wrong.
    """

    name: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All probes by code, in the order of the report.

    Args:
        probes: Probe class by code.
        failed: Plugins that could not be loaded.
    """

    probes: Mapping[str, type[Probe]] = field(default_factory=dict)
    failed: tuple[FailedPlugin, ...] = ()

    @property
    def infos(self) -> dict[str, ProbeInfo]:
        """The catalogue entries by code."""
        return {code: probe.info for code, probe in self.probes.items()}

    def select(self, codes: str | None) -> tuple[str, ...]:
        """Return the codes that a selection names, in the order of the report.

        Args:
            codes: Codes, families or globs with commas ("PERF001,ADV*,FAIR"), in either case; None for all.

        Raises:
            InputError: A part of the selection names no probe.
        """
        if codes is None:
            return tuple(self.probes)
        parts = [part.strip().upper() for part in codes.split(",") if part.strip()]
        if not parts:
            raise InputError("the selection of probes is empty", expected="codes, families or globs", got=repr(codes))
        chosen: set[str] = set()
        for part in parts:
            matched = {c for c, p in self.probes.items() if p.info.family == part or fnmatchcase(c, part)}
            if not matched:
                raise self._unknown(part)
            chosen |= matched
        return tuple(code for code in self.probes if code in chosen)

    def _unknown(self, part: str) -> InputError:
        families = sorted({p.info.family for p in self.probes.values()})
        near = difflib.get_close_matches(part, [*self.probes, *families], n=3)
        fix = f"did you mean {' or '.join(near)}?" if near else f"the families are {', '.join(families)}"
        return InputError(f"no probe {part!r}", expected="a code, a family or a glob of the catalogue", fix=fix)


def catalogue(points: Iterable[EntryPoint] | None = None) -> Catalogue:
    """Return every probe that is installed.

    Args:
        points: Entry points; by default those of the group "audit.probes". Where this distribution's own is not among
            them (a source tree without metadata) its probes are added all the same.

    Raises:
        PluginError: Two probes have one code.
    """
    given = list(entry_points(group=GROUP) if points is None else points)
    if not any(point.value == OWN for point in given):
        given.append(EntryPoint(name="imaging-audit", value=OWN, group=GROUP))
    # An editable install beside a wheel lists the same entry point twice; that is one plugin, not a clash of codes.
    unique = sorted({(point.value != OWN, point.name, point.value): point for point in given}.items())
    probes: dict[str, tuple[str, type[Probe]]] = {}
    failed = []
    for _, point in unique:
        try:
            loaded = _load(point)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises becomes an error result
            failed.append(FailedPlugin(name=point.name, message=f"{type(error).__name__}: {error}"))
            continue
        _add(probes, point.name, loaded)
    order = sorted(probes, key=lambda code: (FAMILIES.index(probes[code][1].info.family), code))
    return Catalogue(probes={code: probes[code][1] for code in order}, failed=tuple(failed))


def _load(point: EntryPoint) -> tuple[type[Probe], ...]:
    loaded = point.load()
    found = tuple(loaded) if isinstance(loaded, (list, tuple)) else (loaded,)
    for item in found:
        if not (
            isinstance(item, type) and issubclass(item, Probe) and isinstance(getattr(item, "info", None), ProbeInfo)
        ):
            raise PluginError(
                "an entry point gave something that is no probe",
                expected="a subclass of audit.core.Probe with its info, or a list of them",
                got=type(item).__name__ if not isinstance(item, type) else item.__name__,
            )
    return found


def _add(probes: dict[str, tuple[str, type[Probe]]], plugin: str, found: tuple[type[Probe], ...]) -> None:
    for probe in found:
        code = probe.info.code
        if code in probes and probes[code][1] is not probe:
            raise PluginError(
                f"two probes have the code {code}",
                expected="codes that are never reused",
                got=f"one from {probes[code][0]}, one from {plugin}",
                fix=f"remove or renumber one of the two, for example by uninstalling {plugin}",
            )
        probes[code] = (plugin, probe)
