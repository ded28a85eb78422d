"""Constants, units, cosmology, errors, files, logging: used by every other room."""
