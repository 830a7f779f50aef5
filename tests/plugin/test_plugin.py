"""`pytest --audit` and `@pytest.mark.audit`: one item a rule, INCONCLUSIVE is a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from audit import pytest_plugin
from tests.session._make import CONFIG, write
from tests.verification._runs import MARGINS, make, scores

# Given by hand, whether or not this installation names it to pytest.
ARGS = ("-p", "no:imaging-audit", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")


def pytest_in(pytester, *args):
    return pytester.runpytest_inprocess(*ARGS, *args, plugins=[pytest_plugin])


def test_a_run_gives_one_item_a_rule_and_the_verdict(pytester, run):
    """Passed rules pass, an accepted absence is skipped with its reason, the verdict comes last."""
    result = pytest_in(pytester, "--audit", str(run), "-v", "-rs")
    result.assert_outcomes(passed=3, skipped=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*rule sensitivity PASSED*", "*rule gap PASSED*", "*rule attack SKIPPED*"])
    result.stdout.fnmatch_lines(["*verdict PASSED*", "*audit run: PASS*", "*the policy accepts its absence*"])


def test_a_broken_rule_fails_with_its_headline(pytester, tmp_path):
    """The failure is the finding's own sentence, without a traceback."""
    failed = make(tmp_path / "f", limit=0.99)
    result = pytest_in(pytester, "--audit", str(failed))
    result.assert_outcomes(failed=2, passed=1, skipped=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAIL: Sensitivity: *required at least 0.99*", "*blocked by sensitivity*"])
    assert "Traceback" not in result.stdout.str()
    assert "runtest" not in result.stdout.str()


def test_an_open_rule_is_a_failure(pytester, tmp_path):
    """INCONCLUSIVE never looks green."""
    still_open = make(tmp_path / "o", n=80, limit=0.75)
    result = pytest_in(pytester, "--audit", str(still_open))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["INCONCLUSIVE: Sensitivity*", "*open because*"])


def test_an_audit_toml_is_audited_once_for_all_its_items(pytester):
    """The rules are known before anything is measured; the run lies where --audit-out says."""
    path = write(pytester.path, n=240, limit=0.5, scores=scores(240))
    path.write_text(path.read_text().replace("[audit]", '[audit]\nprobes = ["PERF001", "FAIR001", "ADV001"]'))
    result = pytest_in(pytester, "--audit", "audit.toml", "--audit-out", "kept", "--audit-profile", "smoke")
    result.assert_outcomes(passed=3, skipped=1)
    assert (pytester.path / "kept" / "SHA256SUMS").is_file()
    result.stdout.fnmatch_lines(["*report: *kept*report.html*"])


def test_a_marked_test_becomes_one_item_a_rule(pytester, run):
    """Its body runs where the rule passed, with the evidence at hand; it need not name any fixture."""
    (pytester.path / "run").symlink_to(run, target_is_directory=True)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.audit("run")
        def test_release(audit_evidence):
            assert audit_evidence.cohort["n"] == 240

        @pytest.mark.audit("run")
        def test_plain():
            pass

        def test_other():
            pass
    """)
    result = pytest_in(pytester, "-v")
    result.assert_outcomes(passed=7, skipped=2)
    result.stdout.fnmatch_lines(["*test_release?rule sensitivity? PASSED*", "*test_plain?verdict? PASSED*"])


def test_a_marked_test_fails_with_the_rule_whatever_its_body_does(pytester, tmp_path):
    """A body that would pass does not make a broken rule pass."""
    failed = make(tmp_path / "f", limit=0.99)
    (pytester.path / "run").symlink_to(failed, target_is_directory=True)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.audit("run")
        def test_release():
            pass
    """)
    result = pytest_in(pytester)
    result.assert_outcomes(failed=2, passed=1, skipped=1)


def test_margins_are_items_where_a_baseline_is_named(pytester, tmp_path):
    """With `--audit-baseline` each comparison is an item; without one the verdict of such a policy fails."""
    base = make(tmp_path / "base", n=600, margins=MARGINS)
    worse = make(tmp_path / "worse", n=600, noise=2.2, seed=1, margins=MARGINS)
    result = pytest_in(pytester, "--audit", str(worse), "--audit-baseline", str(base), "-v")
    result.assert_outcomes(passed=2, skipped=1, failed=3)
    result.stdout.fnmatch_lines(["*rule auc no worse FAILED*", "*rule sensitivity no worse by sex FAILED*"])
    result = pytest_in(pytester, "--audit", str(base))
    result.assert_outcomes(passed=2, skipped=1, failed=1)
    result.stdout.fnmatch_lines(["*none was given*"])


def test_k_chooses_among_the_rules(pytester, run):
    """The items are ordinary ones."""
    result = pytest_in(pytester, "--audit", str(run), "-k", "sensitivity")
    result.assert_outcomes(passed=1, deselected=3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--audit", "absent.toml"), "*absent.toml: no such file*"),
        (("--audit", "audit.toml"), "*policy.toml*"),
    ],
)
def test_a_wrong_file_ends_the_test_run(pytester, args, said):
    """A gate that finds nothing to judge must not be green."""
    pytester.path.joinpath("audit.toml").write_text(CONFIG)
    result = pytest_in(pytester, *args)
    assert result.ret not in (0, 1)
    result.stderr.fnmatch_lines([said])


def test_a_run_that_was_changed_fails_every_item(pytester, run, tmp_path):
    """What cannot be judged is no pass."""
    import shutil

    changed = shutil.copytree(run, tmp_path / "changed")
    (changed / "report.html").write_text("x")
    result = pytest_in(pytester, "--audit", str(changed))
    assert result.ret != 0
    assert "passed" not in result.stdout.str()


@pytest.mark.slow
def test_the_plugin_loads_nothing_heavy():
    """It is loaded in every test run of whoever installs this package."""
    code = (
        "import sys, audit.pytest_plugin; "
        "heavy = {'torch', 'numpy', 'pandas', 'audit.core', 'audit.session', 'audit.probes'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_distribution_names_the_plugin():
    """pip install makes it known to pytest."""
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"imaging-audit": "audit.pytest_plugin"}
