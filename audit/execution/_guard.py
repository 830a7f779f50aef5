"""Whether the model was still the same when a result was kept: what a changed one says is of no use to another run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from audit.core import ImagingModel
from audit.execution._store import UNSEEN, Kept, Store

_RARELY = 20
_MOST_HELD = 64


@dataclass(kw_only=True, eq=False)
class Guard:
    """Keeps results, and looks at the model: often enough to vouch for each, seldom enough to cost little.

    What is kept between two looks counts for the run alone; the next look, where the model is the same as before the
    run, makes it count for later ones. A run that is killed and taken up again looks at a model loaded anew, and would
    not see that the earlier one had changed.

    Args:
        before: Digest of the model before the run; empty: nobody looks, as where a digest says nothing.

    Attributes:
        changed: Another digest that was seen, empty while there is none.
    """

    before: str = ""
    changed: str = ""
    _due: float = 0.0
    _held: list[tuple[str, Kept]] = field(default_factory=list)

    def put(self, model: ImagingModel, store: Store, key: str, kept: Kept) -> None:
        """Keep a result.

        Raises:
            OSError: It cannot be written.
        """
        if not self.before or store.files is None:
            store.put(key, kept)
            return
        if not self.changed:
            self._held.append((key, kept))
        wait = time.perf_counter() < self._due and len(self._held) < _MOST_HELD
        if wait or not self.settle(model, store):
            store.put(key, replace(kept, plain={**kept.plain, UNSEEN: True}))

    def settle(self, model: ImagingModel, store: Store) -> bool:
        """Look at the model now, let what is held count where it is the same, and return whether it is.

        Raises:
            OSError: It cannot be written.
        """
        if not self._held:
            return not self.changed
        began = time.perf_counter()
        state = model.state_digest()
        held, self._held = self._held, []
        if state == self.before:
            for key, kept in held:
                store.put(key, kept)
        else:
            self.changed = state
        # Of the time that the work takes, a twentieth at most.
        now = time.perf_counter()
        self._due = now + _RARELY * (now - began)
        return not self.changed
