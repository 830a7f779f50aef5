"""What names of columns and levels usually mean."""

from __future__ import annotations

import re

from audit.core import Role

TARGETS = (
    "target", "label", "labels", "dx", "diagnosis", "y", "y_true", "truth", "class", "outcome", "malignant", "disease",
    "finding", "findings", "pathology", "grade", "stage",
)  # fmt: skip
IMAGES = ("image", "img", "file", "filename", "filepath", "file_path", "image_path", "path", "dicom", "nifti", "scan")
MASKS = ("mask", "lesion_mask", "seg", "segmentation", "roi", "annotation")
PATIENTS = (
    "patient_id", "patient", "patientid", "pid", "subject_id", "subject", "participant_id", "participant", "person_id",
    "mrn", "lesion_id",
)  # fmt: skip
CASES = (
    "case_id", "case", "caseid", "image_id", "imageid", "study_id", "study", "exam_id", "accession", "isic_id",
    "sample_id", "id", "uid",
)  # fmt: skip
METHODS = ("dx_type", "label_source", "reference_method", "ascertainment", "confirmed_by", "labelled_by")
SPLITS = ("split", "set", "subset", "partition", "fold", "dataset_split")
SPLIT_VALUES = ("test", "testing", "audit", "holdout", "held-out", "external")
ROLES: dict[Role, tuple[str, ...]] = {
    "protected": (
        "sex", "gender", "age", "race", "ethnicity", "ethnic", "skin", "fitzpatrick", "insurance", "language", "bmi",
        "religion", "income", "education",
    ),
    "protocol": (
        "scanner", "site", "hospital", "center", "centre", "clinic", "manufacturer", "vendor", "device", "protocol",
        "machine", "kernel", "kvp", "tesla", "view", "camera", "sequence", "institution", "stain", "magnification",
    ),
    "confounder": (
        "ruler", "marker", "ink", "hair", "tube", "drain", "pacemaker", "portable", "ward", "bedside", "implant",
        "contrast_agent",
    ),
    "severity": ("severity", "grade", "stage", "birads", "size_mm", "diameter"),
    "rater": ("rater", "reader", "annotator", "radiologist"),
    "repeat": ("repeat", "rescan", "visit", "timepoint", "session"),
    "covariate": ("localization", "location", "body", "region", "laterality", "side", "weight", "height"),
}  # fmt: skip
POSITIVES = (
    "1", "true", "yes", "positive", "pos", "malignant", "mel", "melanoma", "cancer", "tumor", "tumour", "disease",
    "diseased", "abnormal", "present", "case", "high", "sick", "pneumonia", "lesion",
)  # fmt: skip
NEGATIVES = ("0", "false", "no", "negative", "neg", "benign", "normal", "healthy", "absent", "control", "none", "low")
SCORES = (
    "score", "y_score", "prob", "probability", "p", "y_prob", "y_proba", "y_pred_proba", "prediction", "pred", "output",
    "logit", "risk", "p_positive", "prob_positive",
)  # fmt: skip
FILE_NAME = re.compile(
    r"(?i)\.(png|jpe?g|tiff?|npy|npz|dcm|dicom|nii|nii\.gz)(#[^\[\]]*(\[\d+\])?)?$"
)  # fmt: skip


def folded(name: str) -> str:
    """Return a name in lower case with single underscores between its words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.casefold()).strip("_")


def rank(name: str, words: tuple[str, ...]) -> int | None:
    """Return how early a name stands among the words, None where it does not."""
    key = folded(name)
    return words.index(key) if key in words else None


def role_of(name: str) -> Role | None:
    """Return the role that a column's name suggests, None where it suggests none."""
    key = folded(name)
    parts = set(key.split("_"))
    for role, words in ROLES.items():
        if key in words or parts & set(words):
            return role
    return None
