"""Merger trees and the histories of haloes along their main branches."""
