"""The systems of the lecture, one folder each: recipe, weights, card, audit.toml and policy.toml."""
