"""Physical state of the gas: pure functions from columns to columns."""
