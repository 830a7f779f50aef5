"""Whether this machine computes in bfloat16 itself."""

from __future__ import annotations

import os
from pathlib import Path

SWITCH = "AUDIT_BF16"
"""Set to "off", gradients are taken in float32 everywhere."""
_CPU_INFO = Path("/proc/cpuinfo")


def bfloat16_allowed() -> bool:
    """Return whether the environment leaves bfloat16 to the rule."""
    return os.environ.get(SWITCH, "").lower() not in ("off", "0", "no", "false")


def cpu_has_bfloat16() -> bool:
    """Return whether the processor has instructions for bfloat16; no where it does not say."""
    try:
        flags = _CPU_INFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
