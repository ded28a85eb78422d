"""Snapshots of RAMSES and Arepo behind one protocol, the galaxies in them, samples."""
