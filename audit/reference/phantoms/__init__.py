"""Phantoms of the reference models: images whose truth is known because it was planted."""

from audit.reference.phantoms._atlas import Atlas, load_atlas
from audit.reference.phantoms._brain import BrainSlices
from audit.reference.phantoms._composition import Case, Composition
from audit.reference.phantoms._lung import ENTANGLED, SEPARABLE, LungKnobs, LungRegions, lung_cohort
from audit.reference.phantoms._parameters import BrainKnobs, PlaneParameters, Spot, sample_parameters
from audit.reference.phantoms._protocol import PROTOCOL_A, PROTOCOL_B, PROTOCOLS, Protocol, spin_echo
from audit.reference.phantoms._render import STORED_MAXIMUM, Plane, render
from audit.reference.phantoms._sequences import SEQUENCES, PairedPatches, Patches, PatchKnobs

__all__ = [
    "ENTANGLED",
    "PROTOCOLS",
    "PROTOCOL_A",
    "PROTOCOL_B",
    "SEPARABLE",
    "SEQUENCES",
    "STORED_MAXIMUM",
    "Atlas",
    "BrainKnobs",
    "BrainSlices",
    "Case",
    "Composition",
    "LungKnobs",
    "LungRegions",
    "PairedPatches",
    "PatchKnobs",
    "Patches",
    "Plane",
    "PlaneParameters",
    "Protocol",
    "Spot",
    "load_atlas",
    "lung_cohort",
    "render",
    "sample_parameters",
    "spin_echo",
]
