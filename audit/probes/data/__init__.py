"""The data family: whether the cohort can carry an audit at all."""

from audit.core import Probe
from audit.probes.data.data001_patient_in_two_splits import PatientInTwoSplits
from audit.probes.data.data002_near_duplicates import NearDuplicates
from audit.probes.data.data003_cases_lost import CasesLost
from audit.probes.data.data004_missing_not_at_random import MissingNotAtRandom
from audit.probes.data.data005_label_source_differs import LabelSourceDiffers
from audit.probes.data.data006_metadata_predicts_label import MetadataPredictsLabel
from audit.probes.data.data007_burned_in_text import BurnedInText
from audit.probes.data.data008_declared_format import DeclaredFormat
from audit.probes.data.data009_unlike_intended_population import UnlikeIntendedPopulation
from audit.probes.data.data010_partial_verification import PartialVerification
from audit.probes.data.data011_label_noise import LabelNoise

PROBES: tuple[type[Probe], ...] = (
    PatientInTwoSplits,
    NearDuplicates,
    CasesLost,
    MissingNotAtRandom,
    LabelSourceDiffers,
    MetadataPredictsLabel,
    BurnedInText,
    DeclaredFormat,
    UnlikeIntendedPopulation,
    PartialVerification,
    LabelNoise,
)
__all__ = [
    "PROBES",
    "BurnedInText",
    "CasesLost",
    "DeclaredFormat",
    "LabelNoise",
    "LabelSourceDiffers",
    "MetadataPredictsLabel",
    "MissingNotAtRandom",
    "NearDuplicates",
    "PartialVerification",
    "PatientInTwoSplits",
    "UnlikeIntendedPopulation",
]
