"""Signals of simulated tissue: for phantoms, whose proton density and relaxation are known. Never for stored images."""

from __future__ import annotations

import numpy as np

# Rooney and others 2007: T1 = a (gamma B0)^b with gamma B0 in Hz, T1 in seconds.
_T1 = {"white matter": (0.00071, 0.382), "grey matter": (0.00116, 0.376)}
GYROMAGNETIC_HZ_PER_TESLA = 42.577478e6


def spin_echo(*, proton_density: float, t1_ms: float, t2_ms: float, tr_ms: float, te_ms: float) -> float:
    """Return the signal PD (1 - exp(-TR / T1)) exp(-TE / T2) of a spin echo whose TE is short against TR.

    Args:
        proton_density: Relative to water.
        t1_ms: Longitudinal relaxation time.
        t2_ms: Transverse relaxation time.
        tr_ms: Repetition time.
        te_ms: Echo time.
    """
    return float(proton_density * (1 - np.exp(-tr_ms / t1_ms)) * np.exp(-te_ms / t2_ms))


def t1_ms(tissue: str, *, field_tesla: float) -> float:
    """Return T1 of a tissue of the human brain at a field strength.

    Args:
        tissue: "white matter" or "grey matter".
        field_tesla: Field strength, 0.2 to 7 T in the source.

    Raises:
        KeyError: No such tissue.

    References:
        Rooney et al. 2007, Magnetic field and tissue dependencies of human brain longitudinal 1H2O relaxation in vivo,
        Magnetic Resonance in Medicine 57.
    """
    factor, power = _T1[tissue]
    return float(1000 * factor * (GYROMAGNETIC_HZ_PER_TESLA * field_tesla) ** power)
