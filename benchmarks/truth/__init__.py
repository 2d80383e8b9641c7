"""Worlds whose truth is known, and rules that are played in them: what the simulation engine is measured by.

Only ``ours`` and ``held`` import the library.  Seconds everywhere.
"""
