"""Phantoms of the reference models: images whose truth is known because it was planted."""

from audit.reference.phantoms._atlas import Atlas, load_atlas
from audit.reference.phantoms._brain import BrainSlices
from audit.reference.phantoms._composition import Case, Composition
from audit.reference.phantoms._copd import CopdKnobs, CopdPatients, copd_patients
from audit.reference.phantoms._copd_scans import RESCAN, SCAN, SHALLOW, CopdScans, Examined
from audit.reference.phantoms._lung import ENTANGLED, SEPARABLE, LungKnobs, LungRegions, lung_cohort
from audit.reference.phantoms._parameters import BrainKnobs, PlaneParameters, Spot, sample_parameters
from audit.reference.phantoms._parenchyma import (
    EDGES,
    GRADES,
    MIDPOINTS,
    PATTERNS,
    LungScan,
    ParenchymaKnobs,
    ParenchymaPatient,
    grade_of,
)
from audit.reference.phantoms._parenchyma_render import (
    ParenchymaVolume,
    cut_regions,
    match_histograms,
    render_parenchyma,
)
from audit.reference.phantoms._parenchyma_scans import ParenchymaScans, alike, matched_pair
from audit.reference.phantoms._protocol import PROTOCOL_A, PROTOCOL_B, PROTOCOLS, Protocol, spin_echo
from audit.reference.phantoms._render import STORED_MAXIMUM, Plane, render
from audit.reference.phantoms._sequences import SEQUENCES, PairedPatches, Patches, PatchKnobs
from audit.reference.phantoms._skull_base import SkullBaseKnobs, SkullBasePatient, draw_patient
from audit.reference.phantoms._skull_base_cohort import READERS, Reader, SkullBaseVolumes
from audit.reference.phantoms._skull_base_drawn import SkullBaseScan, draw_scan
from audit.reference.phantoms._spaces import PerivascularSpaces
from audit.reference.phantoms._spaces_draw import Anatomy, Thing
from audit.reference.phantoms._spaces_observers import OBSERVERS, Observer
from audit.reference.phantoms._spaces_patients import DETERMINANTS, SpacesKnobs, SpacesPatient
from audit.reference.phantoms._spaces_regions import REGIONS as BRAIN_REGIONS
from audit.reference.phantoms._spaces_regions import SIZE as CROP_SIZE
from audit.reference.phantoms._spaces_regions import BrainRegion
from audit.reference.phantoms._spaces_scan import SCANNER_SETTINGS, SpacesScan
from audit.reference.phantoms._spaces_table import SpacesTable, scanned
from audit.reference.phantoms._tissue import PATCH as TISSUE_PATCH
from audit.reference.phantoms._tissue import (
    PREPARED,
    SPIN_ECHO,
    TISSUE_NAMES,
    TissueKnobs,
    TissuePatient,
    TissuePatients,
    TissueProtocol,
    TissueVoxels,
)
from audit.reference.phantoms._tissue import STORED as STORED_TISSUE

__all__ = [
    "BRAIN_REGIONS",
    "CROP_SIZE",
    "DETERMINANTS",
    "EDGES",
    "ENTANGLED",
    "GRADES",
    "MIDPOINTS",
    "OBSERVERS",
    "PATTERNS",
    "PREPARED",
    "PROTOCOLS",
    "PROTOCOL_A",
    "PROTOCOL_B",
    "READERS",
    "RESCAN",
    "SCAN",
    "SCANNER_SETTINGS",
    "SEPARABLE",
    "SEQUENCES",
    "SHALLOW",
    "SPIN_ECHO",
    "STORED_MAXIMUM",
    "STORED_TISSUE",
    "TISSUE_NAMES",
    "TISSUE_PATCH",
    "Anatomy",
    "Atlas",
    "BrainKnobs",
    "BrainRegion",
    "BrainSlices",
    "Case",
    "Composition",
    "CopdKnobs",
    "CopdPatients",
    "CopdScans",
    "Examined",
    "LungKnobs",
    "LungRegions",
    "LungScan",
    "Observer",
    "PairedPatches",
    "ParenchymaKnobs",
    "ParenchymaPatient",
    "ParenchymaScans",
    "ParenchymaVolume",
    "PatchKnobs",
    "Patches",
    "PerivascularSpaces",
    "Plane",
    "PlaneParameters",
    "Protocol",
    "Reader",
    "SkullBaseKnobs",
    "SkullBasePatient",
    "SkullBaseScan",
    "SkullBaseVolumes",
    "SpacesKnobs",
    "SpacesPatient",
    "SpacesScan",
    "SpacesTable",
    "Spot",
    "Thing",
    "TissueKnobs",
    "TissuePatient",
    "TissuePatients",
    "TissueProtocol",
    "TissueVoxels",
    "alike",
    "copd_patients",
    "cut_regions",
    "draw_patient",
    "draw_scan",
    "grade_of",
    "load_atlas",
    "lung_cohort",
    "match_histograms",
    "matched_pair",
    "render",
    "render_parenchyma",
    "sample_parameters",
    "scanned",
    "spin_echo",
]
