"""The audit of one downloaded version: what the gate asks for, and the code that does it, isolated or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ConfigError, InputError

if TYPE_CHECKING:
    from audit.config import AuditConfig


@dataclass(frozen=True, kw_only=True)
class Job:
    """One audit.

    Args:
        name: The registered model.
        version: Its version.
        config: audit.toml.
        policy: policy.toml; empty: the one that audit.toml names.
        policy_digest: Digest that the policy must have.
        files: The downloaded version.
        out: Folder of the run.
        trusted: Whether code that came with the version may be run.
        overwrite: Whether a run in that folder is replaced.
    """

    name: str
    version: str
    config: str
    policy: str
    policy_digest: str
    files: str
    out: str
    trusted: bool = False
    overwrite: bool = False

    def plain(self) -> dict[str, Any]:
        """Return plain values, for another process."""
        return asdict(self)


def load_order(config: Path, policy: Path | None, name: str) -> AuditConfig:
    """Return a configuration with the policy that judges, checked against the catalogue.

    Args:
        config: audit.toml; its `[model]` is of kind mlflow and names the registered model.
        policy: policy.toml in place of its own.
        name: The registered model.

    Raises:
        ConfigError: A file is at fault, there is no policy, or the configuration is that of another model.
    """
    from audit.config import load_audit, load_policy
    from audit.models import parse_uri
    from audit.probes import catalogue

    known = catalogue()
    read = load_audit(config, infos=None if known.failed else known.infos)
    if policy is not None:
        read = replace(read, policy=load_policy(policy), policy_path=policy.name)
    if read.policy is None:
        raise ConfigError(
            "a gate needs a policy", expected="--policy FILE, or policy = … under [audit]", got="none",
            fix="name the policy that judges this model",
        )  # fmt: skip
    if read.model.kind != "mlflow" or parse_uri(read.model.path or "")[0] != name:
        raise ConfigError(
            f"{config.name} does not describe the registered model {name}",
            expected=f'kind = "mlflow" and path = "models:/{name}/1"',
            got=f'kind = "{read.model.kind}", path = "{read.model.path}"'[:120],
            fix="correct [model]; the gate takes the version that it checks, whatever path says",
        )  # fmt: skip
    return read


def perform(job: Job) -> None:
    """Audit a downloaded version into the job's folder.

    Raises:
        InputError: Files or model cannot be used, or the policy is not the one that was meant.
    """
    from audit import models, session

    config = load_order(Path(job.config), Path(job.policy) if job.policy else None, job.name)
    if config.policy is None or config.policy.digest != job.policy_digest:
        raise InputError(
            "the policy was changed meanwhile", expected=f"digest {job.policy_digest[:16]}", got="another",
            fix="check the version again",
        )  # fmt: skip
    spec = replace(config.model, name=config.model.name or job.name, version=job.version)
    model = models.load_flavour(spec, Path(job.files), trusted=job.trusted)
    session.run_config(
        config, out=Path(job.out), overwrite=job.overwrite, model=model,
        command=f"audit registry check models:/{job.name}/{job.version}",
    )  # fmt: skip
