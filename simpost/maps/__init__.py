"""Views and the exact deposit of leaves, smoothed cells and points on their pixels."""
