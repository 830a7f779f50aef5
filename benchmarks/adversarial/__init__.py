"""The attack against the peers: what each breaks at equal steps, at what cost, in how much memory, on which heads."""
