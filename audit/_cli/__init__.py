"""What stands behind the command line; private to `audit.cli`."""
