"""What survives the process: one SQLite file with one owner."""
