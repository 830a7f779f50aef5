"""The parts of public formats that our files use, written by hand after the standards; what is more is an error."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

_BAG = {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}}
_TEXT = {
    "type": "object", "required": ["text"], "additionalProperties": False,
    "properties": {"text": {"type": "string", "minLength": 1}, "markdown": {"type": "string"}},
}  # fmt: skip
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_RULE = {
    "type": "object", "required": ["id"], "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1}, "name": {"type": "string"}, "shortDescription": _TEXT,
        "fullDescription": _TEXT, "help": _TEXT, "helpUri": {"type": "string", "format": "uri"},
        "defaultConfiguration": {
            "type": "object", "additionalProperties": False,
            "properties": {"enabled": {"type": "boolean"}, "level": _LEVEL,
                           "rank": {"type": "number", "minimum": -1, "maximum": 100}},
        },
        "properties": _BAG,
    },
}  # fmt: skip
_LOCATION = {
    "type": "object", "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object", "required": ["artifactLocation"], "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "type": "object", "additionalProperties": False,
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                },
            },
        },
    },
}  # fmt: skip
_RESULT = {
    "type": "object", "required": ["message"], "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": -1}, "level": _LEVEL,
        "kind": {"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
        "message": {
            "type": "object", "additionalProperties": False, "anyOf": [{"required": ["text"]}, {"required": ["id"]}],
            "properties": {"text": {"type": "string", "minLength": 1}, "id": {"type": "string"}},
        },
        "locations": {"type": "array", "items": _LOCATION},
        "suppressions": {
            "type": "array", "uniqueItems": True,
            "items": {
                "type": "object", "required": ["kind"], "additionalProperties": False,
                "properties": {"kind": {"enum": ["inSource", "external"]},
                               "status": {"enum": ["accepted", "underReview", "rejected"]},
                               "justification": {"type": "string"}},
            },
        },
        "properties": _BAG,
    },
    # SARIF 2.1.0, 3.27.10: where kind is not "fail", level is "none" or absent.
    "if": {"properties": {"kind": {"not": {"const": "fail"}}}, "required": ["kind"]},
    "then": {"properties": {"level": {"const": "none"}}},
}  # fmt: skip
SARIF = {
    "type": "object", "required": ["version", "runs"], "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"}, "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object", "required": ["tool", "results"], "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object", "required": ["driver"], "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object", "required": ["name"], "additionalProperties": False,
                                "properties": {"name": {"type": "string"}, "version": {"type": "string"},
                                               "informationUri": {"type": "string", "format": "uri"},
                                               "rules": {"type": "array", "items": _RULE, "uniqueItems": True}},
                            },
                        },
                    },
                    "results": {"type": "array", "items": _RESULT},
                    "properties": _BAG,
                },
            },
        },
        "properties": _BAG,
    },
}  # fmt: skip
"""The subset of the OASIS schema of SARIF 2.1.0 (2020) that our files use."""

_CASE = {"failure", "error", "skipped"}
_NUMBER = re.compile(r"\d+")


def check_junit(text: str) -> None:
    """Check a file against the schema that Jenkins and GitLab read (junit-10.xsd of the xUnit plugin).

    Raises:
        AssertionError: An element or attribute that is not there, in another order, or counts that do not add up.
    """
    root = ET.fromstring(text)
    assert (root.tag, set(root.attrib)) == ("testsuites", set())
    (suite,) = root
    assert suite.tag == "testsuite"
    assert {"name", "tests", "failures", "errors"} <= set(suite.attrib) <= {
        "name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname",
    }  # fmt: skip
    counts = dict.fromkeys(_CASE, 0)
    for case in suite:
        assert case.tag == "testcase"
        assert {"name", "classname"} <= set(case.attrib) <= {"name", "classname", "time"}
        assert case.get("name")
        tags = [child.tag for child in case]
        assert tags in ([], ["system-out"], *([t] for t in _CASE), *([t, "system-out"] for t in _CASE))
        for child in case:
            if child.tag in _CASE:
                counts[child.tag] += 1
                assert set(child.attrib) <= ({"message"} if child.tag == "skipped" else {"message", "type"})
                assert child.tag == "skipped" or child.get("type")
    said = {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")}
    assert all(_NUMBER.fullmatch(v) for v in said.values())
    assert (int(said["tests"]), int(said["failures"]), int(said["errors"]), int(said["skipped"])) == (
        len(suite), counts["failure"], counts["error"], counts["skipped"],
    )  # fmt: skip
