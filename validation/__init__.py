"""Programs that hold the suite's claims against simulated and trained examples; no part of the installed package."""
