"""What a protocol does to a plane: contrast from declared TR and TE, blur and noise."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """Relaxation of a tissue at 3 T.

    Attributes:
        t1_ms: Longitudinal relaxation time, in ms.
        t2_ms: Transverse relaxation time, in ms.
        proton_density: Relative to water, in [0, 1].
    """

    t1_ms: float
    t2_ms: float
    proton_density: float


# Round numbers of the usual size at 3 T (Wansapura 1999, Stanisz 2005); only the order of the contrasts matters here.
GREY_MATTER = Tissue(t1_ms=1330.0, t2_ms=95.0, proton_density=0.82)
WHITE_MATTER = Tissue(t1_ms=850.0, t2_ms=75.0, proton_density=0.70)
FLUID = Tissue(t1_ms=4000.0, t2_ms=1500.0, proton_density=1.0)
TISSUES = (GREY_MATTER, WHITE_MATTER, FLUID)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A spin-echo protocol.

    Attributes:
        name: Level of the attribute `protocol`.
        tr_ms: Repetition time, in ms.
        te_ms: Echo time, in ms.
        blur_mm: SD of the point spread, in mm.
        noise: SD of the noise in each receive channel, in units of the stored range (1 = full scale).
        white_matter: Mean signal of white matter after the receiver gain, in units of the stored range.
    """

    name: str
    tr_ms: float
    te_ms: float
    blur_mm: float
    noise: float
    white_matter: float

    def signals(self) -> tuple[float, float, float]:
        """Signal of grey matter, white matter and fluid, in units of the stored range."""
        raw = [spin_echo(tissue, tr_ms=self.tr_ms, te_ms=self.te_ms) for tissue in TISSUES]
        gain = self.white_matter / raw[1]
        return raw[0] * gain, raw[1] * gain, raw[2] * gain


def spin_echo(tissue: Tissue, *, tr_ms: float, te_ms: float) -> float:
    """Signal PD (1 - exp(-TR/T1)) exp(-TE/T2) of a spin echo whose TE is short against TR."""
    recovered = 1.0 - np.exp(-tr_ms / tissue.t1_ms)
    return float(tissue.proton_density * recovered * np.exp(-te_ms / tissue.t2_ms))


PROTOCOL_A = Protocol(name="A", tr_ms=3000.0, te_ms=80.0, blur_mm=1.1, noise=0.020, white_matter=0.30)
PROTOCOL_B = Protocol(name="B", tr_ms=2500.0, te_ms=60.0, blur_mm=1.4, noise=0.018, white_matter=0.38)
PROTOCOLS = {protocol.name: protocol for protocol in (PROTOCOL_A, PROTOCOL_B)}
