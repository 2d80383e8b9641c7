"""What survives the process: a SQLite file, or a log in a folder, with one owner."""
