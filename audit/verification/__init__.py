"""Whether a run or a pack is what it was when it was made: every byte, and the numbers made again without a model."""

from audit.verification._again import Again
from audit.verification._beside import HELD
from audit.verification._figures import TOLERANCE
from audit.verification._files import Fault, folder_faults
from audit.verification._verify import PREDICTIONS, Checked, verify_content, verify_folder

__all__ = [
    "HELD",
    "PREDICTIONS",
    "TOLERANCE",
    "Again",
    "Checked",
    "Fault",
    "folder_faults",
    "verify_content",
    "verify_folder",
]
