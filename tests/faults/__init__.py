"""An audit under faults: killed, out of memory, out of disk, images that vanish."""
