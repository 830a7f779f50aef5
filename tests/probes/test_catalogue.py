"""The catalogue knows every installed probe, and fails closed on a plugin that is broken."""

from importlib.metadata import EntryPoint

import pytest

from audit.core import FAMILIES, Probe, ProbeInfo
from audit.errors import InputError, PluginError
from audit.probes import PROBES, catalogue

HERE = "tests.probes.test_catalogue"


class Extra(Probe):
    """A probe of somebody else."""

    info = ProbeInfo(
        code="DATA950", name="extra", family="DATA", tasks=("binary",), metrics=("x",), title="Extra",
        question="?", method="m", limits="l",
    )  # fmt: skip

    def run(self, ctx):
        """Give nothing."""
        return []


class Clash(Extra):
    """A probe that takes a code of ours."""

    info = ProbeInfo(
        code="PERF001", name="clash", family="PERF", tasks=("binary",), metrics=("x",), title="Clash",
        question="?", method="m", limits="l",
    )  # fmt: skip


EXTRA = [Extra]
CLASH = (Clash,)
NO_PROBE = [object]


def point(name, value):
    """Return an entry point of the group."""
    return EntryPoint(name=name, value=f"{HERE}:{value}", group="audit.probes")


def test_our_probes_come_by_the_same_door():
    """Without any metadata the suite's own probes are there all the same, and once."""
    assert set(catalogue([]).probes) == {p.info.code for p in PROBES}
    own = EntryPoint(name="imaging-audit", value="audit.probes:PROBES", group="audit.probes")
    assert catalogue([own, own]).probes == catalogue([]).probes


def test_installed_metadata_gives_the_same():
    """The entry point of the installed distribution names the same probes."""
    assert {p.info.code for p in PROBES} <= set(catalogue().probes)


ACME = """
from audit.core import Estimate, Measurement, Probe, ProbeInfo

class Acme(Probe):
    info = ProbeInfo(
        code="DATA960", name="acme", family="DATA", tasks=("binary",), metrics=("x",), title="Acme", question="?",
        method="m", limits="l",
    )

    def run(self, ctx):
        return [Measurement.of(Estimate.counted(1, n=1, n_patients=1), metric="x", level=0.95)]

PROBES = [Acme]
"""


def test_an_installed_package_adds_its_probe(tmp_path, monkeypatch):
    """A distribution that is only found by its metadata brings its probe into the catalogue."""
    (tmp_path / "acme_probes.py").write_text(ACME, encoding="utf-8")
    info = tmp_path / "acme_probes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-probes\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[audit.probes]\nacme = acme_probes:PROBES\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = catalogue()
    assert found.probes["DATA960"].__module__ == "acme_probes"
    assert found.select("DATA96*") == ("DATA960",)
    assert not found.failed


def test_order_is_that_of_the_families():
    """Codes come by family in the order of the report, then by number."""
    found = catalogue([point("acme", "EXTRA")]).probes
    keys = [(FAMILIES.index(p.info.family), code) for code, p in found.items()]
    assert keys == sorted(keys)
    assert "DATA950" in found


def test_a_single_class_is_a_plugin_too():
    """An entry point may name one class."""
    assert "DATA950" in catalogue([point("acme", "Extra")]).probes


def test_a_code_is_never_reused():
    """Two probes with one code are an error that names both plugins."""
    with pytest.raises(PluginError, match="PERF001") as caught:
        catalogue([point("acme", "CLASH")])
    assert "imaging-audit" in str(caught.value)
    assert "acme" in str(caught.value)


@pytest.mark.parametrize("value, why", [("ABSENT", "AttributeError"), ("NO_PROBE", "no probe")])
def test_a_plugin_that_fails_is_kept_as_failed(value, why):
    """A broken plugin is recorded with its message, and our probes are still there."""
    found = catalogue([point("broken", value)])
    assert [plugin.name for plugin in found.failed] == ["broken"]
    assert why in found.failed[0].message
    assert "PERF001" in found.probes


def test_a_missing_module_is_a_failed_plugin():
    """A plugin whose package has gone does not stop the audit, and is not skipped."""
    gone = EntryPoint(name="gone", value="no_such_package:PROBES", group="audit.probes")
    assert "ModuleNotFoundError" in catalogue([gone]).failed[0].message


@pytest.mark.parametrize(
    "codes, expected",
    [
        ("PERF001", ["PERF001"]),
        ("fair001, perf001", ["PERF001", "FAIR001"]),
        ("CONF", ["CONF001"]),
        ("conf*", ["CONF001"]),
        ("?ERF001,PERF", ["PERF001"]),
    ],
)
def test_selection_takes_codes_families_and_globs(codes, expected):
    """Parts are joined, in the order of the report, each probe once."""
    assert [c for c in catalogue([]).select(codes) if c in {"PERF001", "FAIR001", "CONF001"}] == expected


def test_no_selection_is_everything():
    """None selects all probes."""
    found = catalogue([])
    assert found.select(None) == tuple(found.probes)


@pytest.mark.parametrize("codes, hint", [("PREF001", "PERF001"), ("FIAR", "FAIR"), ("ZZ9", "the families are")])
def test_an_unknown_part_suggests_what_was_meant(codes, hint):
    """A part that names no probe is an input error; it never selects nothing in silence."""
    with pytest.raises(InputError) as caught:
        catalogue([]).select(f"PERF001,{codes}")
    assert hint in str(caught.value)


def test_an_empty_selection_is_an_error():
    """A selection of nothing is not a run of nothing."""
    with pytest.raises(InputError, match="empty"):
        catalogue([]).select(" , ")


def test_infos_are_by_code():
    """The catalogue's entries name themselves."""
    assert all(code == info.code for code, info in catalogue([]).infos.items())
