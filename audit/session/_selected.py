"""Which rules a run takes, which probes it runs, and a result for every probe that somebody counts on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from audit.config import check_policy
from audit.core import Access, Cohort, IntendedUse, Policy, Probe, ProbeInfo, ProbeResult
from audit.execution import Ran, redact
from audit.probes import Catalogue


def check_rules(policy: Policy, known: Catalogue, use: IntendedUse, design: str) -> None:
    """Check the rules; one on an unknown probe is left to the judge where a plugin, perhaps its own, did not load."""
    rules = tuple(r for r in policy.rules if r.probe in known.probes or not known.failed)
    allowed = () if known.failed else policy.allow_not_applicable
    checked = replace(policy, rules=rules, allow_not_applicable=allowed)
    check_policy(checked, known.infos, prevalence=use.prevalence is not None, design=design)


def probes_of(known: Catalogue, selected: Sequence[str]) -> list[type[Probe]]:
    """Return the probes that run: those selected and every check of the set-up."""
    return [p for code, p in known.probes.items() if code in selected or p.info.self_check]


def all_results(known: Catalogue, policy: Policy, ran: Mapping[str, Ran], cohort: Cohort) -> tuple[ProbeResult, ...]:
    """Return a result for every probe that ran, that a rule names, or whose plugin did not load."""
    named = {rule.probe for rule in policy.rules}
    results = []
    for code, probe in known.probes.items():
        if code in ran:
            results.append(ran[code].result)
        elif code in named:
            results.append(
                ProbeResult(
                    info=probe.info, state="not_run", reason="a rule names it, but it was not selected", selected=False
                )
            )
    for i, plugin in enumerate(known.failed):
        reason = f"the plugin '{plugin.name}' did not load: {redact(plugin.message, cohort)}"
        results.append(ProbeResult(info=_plugin_info(i, plugin.name), state="error", reason=reason))
    return tuple(results)


def _plugin_info(index: int, name: str) -> ProbeInfo:
    return ProbeInfo(
        code=f"SETUP{900 + index}", name="plugin-not-loaded", family="SETUP", tasks=("binary",), access=Access.SAVED,
        metrics=("faults",), title=f"Plugin {name}", question="Did every installed plugin load?",
        method="Each entry point of the group audit.probes is imported.",
        limits="What the plugin would have measured is unknown.",
    )  # fmt: skip
