"""pytest plugin: one test item a rule, with the finding's headline as the failure.

`pytest --audit audit.toml` adds the rules of an audit to a test run; `@pytest.mark.audit("audit.toml")` turns a test
into one item a rule, whose body runs where the rule passed. In place of audit.toml a finished run may be named, which
is judged again. A rule passes only where it PASSes: INCONCLUSIVE is a failure. A last item is the verdict itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from audit.core import Evidence, Finding, Policy

VERDICT = "verdict"
_PARAMETER = "audit_rule"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One audit that a test run asks for."""

    path: Path
    profile: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Asks:
    """One item of it: a rule, or the verdict where `rule` is None."""

    asked: _Asked
    rule: str | None


class _Audits:
    """The audits of a test run, each made once and only when its first item runs."""

    def __init__(self, out: str | None, baseline: str | None) -> None:
        self._out, self._baseline = out, baseline
        self._made: dict[_Asked, Evidence] = {}

    def policy(self, asked: _Asked) -> Policy:
        """Return the policy whose rules become items; nothing is measured yet."""
        from audit.core import Policy
        from audit.errors import AuditError

        try:
            if asked.path.is_dir():
                from audit.evidence import read_run

                return read_run(asked.path).policy
            from audit.config import load_audit

            return load_audit(asked.path).policy or Policy(name="none")
        except AuditError as error:
            raise pytest.UsageError(str(error)) from error

    def evidence(self, asked: _Asked) -> Evidence:
        """Return the evidence of an audit, which is made where it is not there yet."""
        if asked not in self._made:
            self._made[asked] = self._run(asked)
        return self._made[asked]

    def _run(self, asked: _Asked) -> Evidence:
        from audit import session

        if asked.path.is_dir():
            return session.gate(asked.path, baseline=self._baseline)
        from audit.config import load_audit
        from audit.probes import catalogue

        known = catalogue()
        config = load_audit(asked.path, infos=None if known.failed else known.infos)
        profile: Any = asked.profile
        out = None if self._out is None else Path(self._out)
        run = session.run_config(config, out=out, profile=profile)
        return run if self._baseline is None else session.gate(run.folder, baseline=self._baseline)

    @property
    def compares(self) -> bool:
        """Whether a baseline was named."""
        return self._baseline is not None

    @property
    def made(self) -> dict[_Asked, Evidence]:
        """What was made."""
        return self._made


_AUDITS = pytest.StashKey[_Audits]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--audit` and how it is done."""
    group = parser.getgroup("audit", "audits of medical-imaging models")
    group.addoption(
        "--audit", action="append", default=[], metavar="FILE",
        help="run this audit.toml (or judge this run's folder), one test item a rule",
    )  # fmt: skip
    group.addoption(
        "--audit-profile", choices=("smoke", "standard", "full"), default=None,
        help="how much the audits spend; default: as in audit.toml",
    )  # fmt: skip
    group.addoption(
        "--audit-baseline",
        default=None,
        metavar="RUN",
        help="run that the policy's comparisons hold the audits against",
    )
    group.addoption(
        "--audit-out", default=None, metavar="DIR", help="folder of the run; default: audit-runs/<UTC time>"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        'audit(file): one item for each rule of this audit.toml, for example @pytest.mark.audit("audit.toml")',
    )
    config.stash[_AUDITS] = _Audits(config.getoption("--audit-out"), config.getoption("--audit-baseline"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the items of `--audit`, before `-k` and `-m` choose among all."""
    for named in config.getoption("--audit"):
        path = Path(config.invocation_params.dir, named)
        if not path.exists():
            raise pytest.UsageError(f"--audit {named}: no such file")
        asked = _Asked(path=path, profile=config.getoption("--audit-profile"))
        file: AuditFile = AuditFile.from_parent(session, path=path, asked=asked)
        items.extend(file.collect())


class AuditFile(pytest.File):
    """audit.toml, or a run's folder, as a file of tests.

    Args:
        asked: The audit.
        **known: What pytest says of every node.
    """

    def __init__(self, *, asked: _Asked, **known: Any) -> None:
        super().__init__(**known)
        self.asked = asked

    def collect(self) -> Iterator[pytest.Item]:
        """Give one item a rule, and the verdict last."""
        for asks in _items(self.config, self.asked):
            item: RuleItem = RuleItem.from_parent(self, name=_name(asks), asks=asks)
            yield item


class RuleItem(pytest.Item):
    """One rule of an audit.

    Args:
        asks: The rule.
        **known: What pytest says of every node.
    """

    def __init__(self, *, asks: _Asks, **known: Any) -> None:
        super().__init__(**known)
        self.asks = asks

    def runtest(self) -> None:
        """Fail unless the rule passes."""
        _check(self.config, self.asks)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the item stands."""
        return self.path, None, f"audit {self.path.name}: {self.name}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a marked test one item a rule."""
    marker = metafunc.definition.get_closest_marker("audit")
    if marker is None:
        return
    if len(marker.args) != 1:
        raise pytest.UsageError('@pytest.mark.audit takes the file: @pytest.mark.audit("audit.toml")')
    named = Path(str(marker.args[0]))
    places = [metafunc.definition.path.parent / named, metafunc.config.rootpath / named]
    path = next((p for p in places if p.exists()), None)
    if path is None:
        raise pytest.UsageError(f"@pytest.mark.audit({str(named)!r}): no such file beside the test or at the root")
    chosen = marker.kwargs.get("profile", metafunc.config.getoption("--audit-profile"))
    asks = list(_items(metafunc.config, _Asked(path=path, profile=chosen)))
    # A test need not name what it does not use.
    if _PARAMETER not in metafunc.fixturenames:
        metafunc.fixturenames.append(_PARAMETER)
    metafunc.parametrize(_PARAMETER, asks, ids=[_name(a) for a in asks], indirect=True)


@pytest.fixture
def audit_rule(request: pytest.FixtureRequest) -> Any:
    """The rule that this item is about."""
    return request.param


@pytest.fixture
def audit_evidence(audit_rule: Any, pytestconfig: pytest.Config) -> Evidence:
    """The evidence of the audit that the test is marked with."""
    return pytestconfig.stash[_AUDITS].evidence(audit_rule.asked)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Judge the rule before the body of a marked test runs."""
    callspec = getattr(pyfuncitem, "callspec", None)
    asks = None if callspec is None else callspec.params.get(_PARAMETER)
    if isinstance(asks, _Asks):
        _check(pyfuncitem.config, asks)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say the verdict of every audit, with its waivers and its folder."""
    for asked, evidence in config.stash[_AUDITS].made.items():
        verdict = evidence.verdict
        terminalreporter.section(f"audit {asked.path.name}: {verdict.label}")
        for rule in verdict.waivers:
            terminalreporter.line(f"waived: {rule}")
        for text in (*verdict.reasons, *verdict.notes):
            terminalreporter.line(f"note: {text}")
        folder = getattr(evidence, "folder", None)
        if folder is not None:
            terminalreporter.line(f"report: {folder / 'report.html'}")


def _items(config: pytest.Config, asked: _Asked) -> Iterator[_Asks]:
    audits = config.stash[_AUDITS]
    policy = audits.policy(asked)
    for rule in policy.rules:
        yield _Asks(asked=asked, rule=rule.id)
    for comparison in policy.comparisons if audits.compares else ():
        yield _Asks(asked=asked, rule=comparison.id)
    yield _Asks(asked=asked, rule=None)


def _name(asks: _Asks) -> str:
    text = VERDICT if asks.rule is None else f"rule {asks.rule}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).replace("::", ":")


def _check(config: pytest.Config, asks: _Asks) -> None:
    from audit.errors import AuditError

    try:
        evidence = config.stash[_AUDITS].evidence(asks.asked)
    except AuditError as error:
        pytest.fail(f"the audit could not be made: {error}", pytrace=False)
    if asks.rule is None:
        _check_verdict(evidence)
        return
    finding = next((f for f in evidence.findings if f.rule == asks.rule), None)
    if finding is None:
        pytest.fail(f"the audit has no finding of rule '{asks.rule}'", pytrace=False)
    _check_finding(finding)


def _check_finding(finding: Finding) -> None:
    if finding.status == "PASS":
        return
    text = f"{finding.status}: {finding.headline}"
    if finding.open_because:
        text += f"\nopen because {finding.open_because}"
    if finding.waiver is not None:
        w = finding.waiver
        pytest.skip(f"waived until {w.expires.isoformat()} by {w.owner} ({w.reason}); {text}")
    if finding.waiver_expired is not None:
        text += f"\nthe waiver of {finding.waiver_expired.owner} expired {finding.waiver_expired.expires.isoformat()}"
    if not finding.blocking:
        pytest.skip(f"does not block; {text}")
    if finding.status == "NOT_APPLICABLE" and finding.allowed:
        pytest.skip(text)
    pytest.fail(text, pytrace=False)


def _check_verdict(evidence: Evidence) -> None:
    verdict = evidence.verdict
    if verdict.outcome != "PASS":
        blocked = [f"blocked by {', '.join(verdict.blocking)}"] if verdict.blocking else []
        pytest.fail("\n".join([verdict.label, *blocked, *verdict.reasons]), pytrace=False)
