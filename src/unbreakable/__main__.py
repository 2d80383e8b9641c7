"""`python -m unbreakable`: the same as the command."""

from unbreakable.cli.main import main

if __name__ == "__main__":
    main(prog_name="unbreakable")
