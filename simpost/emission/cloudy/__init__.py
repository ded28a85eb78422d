"""Line grids from Cloudy: input decks, a runner, readers of the saved files, and the assembly of a grid."""
