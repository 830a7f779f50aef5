"""JUnit XML: a test case a rule, and one for the verdict."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from audit.core import Evidence, Finding

# Characters that XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: object) -> str:
    """Return a text without characters that XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", str(text))


def junit(evidence: Evidence) -> str:
    """Return the run as JUnit XML.

    `failure` for a FAIL, `error` for an ERROR and for an INCONCLUSIVE or NOT_RUN that blocks, `skipped` for the rest
    unless it PASSes. The last test case is the verdict itself, so that JUnit alone says what the exit code says.
    """
    suite = ET.Element("testsuite", name=clean(f"imaging-audit: {evidence.model.get('name', 'model')}"))
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for finding in evidence.findings:
        case = ET.SubElement(suite, "testcase", classname=clean(finding.probe), name=clean(finding.rule))
        kind = _kind(finding)
        if kind:
            counts[kind] += 1
            child = ET.SubElement(case, kind, message=clean(finding.headline))
            if kind != "skipped":
                child.set("type", finding.status)
            child.text = clean(_detail(finding))
    verdict = evidence.verdict
    case = ET.SubElement(suite, "testcase", classname="imaging-audit", name="verdict")
    if verdict.outcome != "PASS":
        kind = "failure" if verdict.outcome == "FAIL" else "error"
        counts[kind] += 1
        child = ET.SubElement(case, kind, message=clean(verdict.label), type=verdict.outcome)
        child.text = clean("\n".join((*verdict.blocking, *verdict.reasons)))
    passes = verdict.outcome == "PASS"
    waived = [f"{verdict.label}: {', '.join(verdict.waivers)}"] if verdict.waivers and passes else []
    if waived or verdict.notes:
        # Also beside a verdict that passes.
        ET.SubElement(case, "system-out").text = clean("\n".join([*waived, *verdict.notes]))
    suite.set("tests", str(len(evidence.findings) + 1))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _kind(finding: Finding) -> str:
    if finding.status == "PASS":
        return ""
    if not finding.blocking or finding.waiver is not None:
        return "skipped"
    if finding.status == "FAIL":
        return "failure"
    if finding.status == "NOT_APPLICABLE" and finding.allowed:
        return "skipped"
    return "error"


def _detail(finding: Finding) -> str:
    lines = [f"{finding.status}: {finding.headline}"]
    if finding.open_because:
        lines.append(f"Open because {finding.open_because}.")
    if finding.waiver is not None:
        lines.append(f"Waived by {finding.waiver.owner} until {finding.waiver.expires}: {finding.waiver.reason}")
    if finding.waiver_expired is not None:
        w = finding.waiver_expired
        lines.append(f"The waiver of {w.owner} expired on {w.expires} and no longer counts: {w.reason}")
    if not finding.blocking:
        lines.append("This rule does not block.")
    if finding.rationale:
        lines.append(f"Why this limit: {finding.rationale}")
    return "\n".join(lines)
