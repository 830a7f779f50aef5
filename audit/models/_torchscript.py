"""Kind `torchscript`: an archive of TorchScript, whose interpreter knows tensors and no Python."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path

from audit.core import ModelSpec
from audit.errors import ModelError, UnsafeModelError
from audit.models._declare import model_file
from audit.models._extras import require
from audit.models._network import TorchModel, first_line

_NOTE = "TorchScript runs in its own interpreter, without Python; operators that touch files are refused"
# The interpreter has no Python, but a few of its operators read or write files; blanks and line breaks are allowed.
_FILES = re.compile(r"\.[\s\\]*(save|from_file|load_tensor)\b")


def load_torchscript(spec: ModelSpec, root: Path) -> TorchModel:
    """Return the model of a TorchScript archive.

    Args:
        spec: The declaration, with `path`.
        root: The folder of audit.toml.

    Raises:
        ModelError: The file is no TorchScript archive.
        UnsafeModelError: Its code asks for an operator that reads or writes files.
    """
    torch = require("torch", "torch")
    file = model_file(spec, root)
    code = _code(file)
    for text in code.values():
        found = _FILES.search(text.decode("utf-8", "replace"))
        if found:
            raise UnsafeModelError(
                f"{file.name} was refused: its code would read or write files",
                expected="operators on tensors", got=f"the operator {found.group(1)}", fix="export the network again",
            )  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = torch.jit.load(str(file), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{file.name} is no readable TorchScript archive", expected="a file that torch.jit.save wrote",
            got=first_line(error), fix="export the network again",
        ) from error  # fmt: skip
    return TorchModel(net, spec, notes=(_NOTE,), identity=tuple(code.items()))


def _code(file: Path) -> dict[str, bytes]:
    """Return the code and the constants of an archive by member, without the archive's own name."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise ModelError(f"{file.name} holds a member twice", expected="an archive that torch.jit.save wrote")
            return {name.partition("/")[2]: archive.read(name) for name in names if _counts(name.partition("/")[2])}
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(
            f"{file.name} is no TorchScript archive", expected="a file that torch.jit.save wrote",
            got="no zip archive", fix="export the network again",
        ) from error  # fmt: skip


def _counts(member: str) -> bool:
    """Tell whether a member decides what is computed, beside the tensors that the module names itself."""
    return member.startswith("constants") or (member.startswith("code/") and member.endswith(".py"))
