"""Products: one file per galaxy and snapshot, its schema, its exports and its summary."""
