"""simpost: [CII] maps, catalogues and mock observations from zoom-in simulation snapshots."""
