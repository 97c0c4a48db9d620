"""`python -m rnnclf` is the command `rnnclf`."""

from rnnclf.cli.commands import main

if __name__ == "__main__":
    main()
