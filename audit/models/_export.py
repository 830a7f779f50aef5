"""Kind `torch-export`: a .pt2 archive, rebuilt without anything that its loader would run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.core import ModelSpec
from audit.errors import ModelError
from audit.models._archive import clean_archive
from audit.models._declare import model_file
from audit.models._extras import require
from audit.models._network import TorchModel, first_line


def load_export(spec: ModelSpec, root: Path) -> TorchModel:
    """Return the model of a torch.export archive.

    A batch size that was fixed when the network was exported is kept: images are answered in groups of that size, the
    last group filled up with its last image.

    Args:
        spec: The declaration, with `path`.
        root: The folder of audit.toml.

    Raises:
        ModelError: The file is no such archive, or wants more than one batch of images.
        UnsafeModelError: It needs a pickle, compiled code, or more than tensor operators.
    """
    torch = require("torch", "torch")
    file = model_file(spec, root)
    archive, graph = clean_archive(file)
    try:
        with _quiet():
            program = torch.export.load(archive)
            net = program.module()
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError, IndexError) as error:
        raise ModelError(
            f"{file.name} cannot be loaded", expected="an archive of the installed torch or an older one",
            got=first_line(error), fix="export the network again with the installed torch",
        ) from error  # fmt: skip
    batch = _fixed_batch(program)
    notes = () if batch is None else (f"exported for batches of {batch}; images are answered in such groups",)
    for module in net.modules():
        # An exported graph has no other mode than the one that it was exported in.
        module.training = False
    return TorchModel(net, spec, notes=notes, fixed_batch=batch, identity=(("graph", graph),))


def _fixed_batch(program: Any) -> int | None:
    """Return the number of images that the graph insists on, None where it takes any."""
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        raise ModelError(
            "the exported network wants more than images", expected="one input, the batch of images",
            got=f"{len(names)} inputs", fix="export a network of images alone",
        )  # fmt: skip
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name == names[0]:
            size = node.meta["val"].shape[0]
            return size if isinstance(size, int) else None
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch prints about a file that it then refuses; the error says it."""
    logger = logging.getLogger("torch.export")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
