"""Reference models: small models of ours that the suite ships and audits."""
