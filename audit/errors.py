"""The error tree: every message says what was expected, what was got, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_PASS, EXIT_FAIL, EXIT_INPUT, EXIT_INCONCLUSIVE, EXIT_INTERNAL = 0, 1, 2, 3, 4
EXIT_SIGINT, EXIT_SIGTERM = 130, 143


class AuditError(Exception):
    """Root of every error that this package raises on purpose.

    Args:
        problem: What is wrong, in one sentence.
        expected: What would have been right.
        got: What was there instead.
        fix: What the user can do about it.
    """

    exit_code = EXIT_INTERNAL

    def __init__(self, problem: str, *, expected: str = "", got: str = "", fix: str = "") -> None:
        self.problem, self.expected, self.got, self.fix = problem, expected, got, fix
        super().__init__(problem)

    def __str__(self) -> str:
        """Return the message in at most three lines: the problem, expected and got, the fix."""
        lines = [self.problem]
        if self.expected or self.got:
            parts = [f"expected {self.expected}" if self.expected else "", f"got {self.got}" if self.got else ""]
            lines.append("  " + "; ".join(p for p in parts if p))
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class InputError(AuditError):
    """The user's command, configuration or data is wrong (exit 2)."""

    exit_code = EXIT_INPUT


class ConfigError(InputError):
    """A fault in audit.toml or policy.toml; several faults are gathered by `FaultsError`."""


class FaultsError(ConfigError):
    """All faults of one file at once.

    Args:
        source: The file's name as the user gave it.
        faults: The single faults, each already with expected, got and fix.
    """

    def __init__(self, source: str, faults: Sequence[AuditError]) -> None:
        self.source, self.faults = source, tuple(faults)
        plural = "fault" if len(self.faults) == 1 else "faults"
        super().__init__(f"{source}: {len(self.faults)} {plural}")

    def __str__(self) -> str:
        """Return the heading and then one block a fault; a single fault has no heading and stays in three lines."""
        if len(self.faults) == 1:
            only = str(self.faults[0])
            return only if only.startswith(self.source) else f"{self.source}: {only}"
        return "\n".join([self.problem, *(f"- {fault}" for fault in self.faults)])


class ManifestError(InputError):
    """The manifest of the cohort cannot be used."""


class ReadError(InputError):
    """One image cannot be read; the case is set aside with this reason, the run goes on."""


class StorageError(InputError):
    """Shared storage does not answer, or not as it should; nothing is concluded from what it did not give."""


class FileTooLargeError(StorageError):
    """A file of shared storage has more bytes than its reader takes."""


class ModelError(InputError):
    """The model cannot be loaded or does not answer as declared."""


class UnsafeModelError(ModelError):
    """A model file that would run code when it is loaded; it is refused."""


class PolicyError(ConfigError):
    """A policy that cannot be judged, for example a rule on a metric that its probe does not have."""


class MissingExtraError(InputError):
    """An optional package is not installed.

    Args:
        package: The package that could not be imported.
        extra: The extra of this distribution that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed",
            expected=f"the extra '{extra}'",
            fix=f'pip install "imaging-audit[{extra}]"',
        )
        self.package, self.extra = package, extra


class EvidenceError(InputError):
    """A run folder that is unfinished, altered or from a newer version."""


class PluginError(AuditError):
    """Two probes with one code, or a probe that breaks the protocol."""


class InternalError(AuditError):
    """A fault of this program (exit 4)."""
