"""Worlds whose truth is known, and rules that are played in them: what the simulation engine is measured by.

Only ``ours`` imports the library.  Seconds everywhere.
"""
