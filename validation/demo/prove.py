"""Trains twins for several seeds, audits each with the demo's policy, and prints what every rule said.

A seed is that of training, of validation and of the audit cohort at once. Weights that are there already are used
again, and so are finished runs.

Usage: python validation/demo/prove.py --seeds 1,2,3 --twins healthy,biased --folder DIR [--train-only]
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from audit.core import Profile
from audit.reference import assemble, build


def trained(twin: str, seed: int, folder: Path) -> Path:
    """Return the weights of a twin and seed, trained if they are not there."""
    weights = folder / str(seed) / f"{twin}.safetensors"
    if not weights.is_file():
        began = time.process_time()
        build(twin, weights.parent, seed=seed)
        print(f"trained {twin}, seed {seed}: {time.process_time() - began:.0f} s of CPU", flush=True)
    return weights


def audited(weights: Path, seed: int, profile: Profile, probes: str | None) -> dict[str, Any]:
    """Return the evidence of a twin and seed, audited if it is not there."""
    from audit.session._run import Options, audit_model

    out = weights.parent / f"{weights.stem}-{profile}{'-part' if probes else ''}"
    if not (out / "SHA256SUMS").is_file():
        demo = assemble(weights, seed=seed, profile=profile)
        options = Options(profile=profile, seed=seed, out=out, overwrite=True, probes=probes)
        audit_model(demo.model, demo.cohort, demo.policy, options)
    return dict(json.loads((out / "evidence.json").read_text(encoding="utf-8")))


def show(evidence: dict[str, Any], name: str) -> None:
    """Print the verdict and each rule's headline."""
    verdict = evidence["verdict"]
    seconds = evidence["run"].get("seconds")
    print(f"== {name}: {verdict['outcome']}, blocked by {', '.join(verdict['blocking']) or 'nothing'} ({seconds} s)")
    for finding in evidence["findings"]:
        print(f"   {finding['status']:<14} {finding['rule']:<32} {finding['headline']}")


def main() -> None:
    """Train, audit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--twins", default="healthy,biased")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--profile", default="standard", choices=("smoke", "standard", "full"))
    parser.add_argument("--probes", help="as for `audit run`; the rules of all others stay undecided")
    parser.add_argument("--train-only", action="store_true")
    asked = parser.parse_args()
    for seed in (int(part) for part in asked.seeds.split(",")):
        for twin in asked.twins.split(","):
            weights = trained(twin, seed, asked.folder)
            if not asked.train_only:
                show(audited(weights, seed, asked.profile, asked.probes), f"{twin}, seed {seed}")


if __name__ == "__main__":
    main()
