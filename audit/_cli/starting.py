"""`audit init`: two files to start from."""

from __future__ import annotations

from pathlib import Path

from audit._cli.folders import relative
from audit._cli.shell import say
from audit.errors import EXIT_PASS, InputError


def write_start(manifest: Path, model: Path, out: Path, *, factory: str | None, target: str | None, force: bool) -> int:
    """Write audit.toml and policy.toml after a look at a manifest and a model."""
    policy_path = out.parent / "policy.toml"
    _check_out(out, policy_path, force=force)
    from audit.config.proposal import propose

    proposal = propose(manifest, model, out.parent, factory=factory, target=target)
    out.write_text(proposal.audit, encoding="utf-8")
    policy_path.write_text(proposal.policy, encoding="utf-8")
    from audit.config import load_audit

    # What was written is read back, so that a proposal that does not run is known at once.
    load_audit(out)
    for note in proposal.notes:
        say(note)
    guesses = (proposal.audit + proposal.policy).count("# guess: confirm")
    say(f"\nwrote {relative(out)} and {relative(policy_path)}: {guesses} guesses, each marked 'guess: confirm'")
    say("the limits proposed are what this cohort can show, not what is acceptable; no rule blocks until you say so")
    say(f"next: audit run {relative(out)} --profile smoke")
    return EXIT_PASS


def _check_out(out: Path, policy_path: Path, *, force: bool) -> None:
    if out.resolve() == policy_path.resolve():
        raise InputError(f"{out}: taken by the policy", expected="another name", got=out.name, fix="--out audit.toml")
    if not out.parent.is_dir():
        got = f"nothing at {out.parent.resolve()}"
        raise InputError(f"{out}: no such folder", expected="a folder that is there", got=got, fix="make it first")
    there = [p for p in (out, policy_path) if p.exists()]
    if there and not force:
        names = " and ".join(relative(p) for p in there)
        raise InputError(
            f"{names}: there already", expected="new files", got=names,
            fix="name an --out in another folder, or add --force",
        )  # fmt: skip
