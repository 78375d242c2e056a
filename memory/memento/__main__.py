"""`python -m memento`, for where the command is not on the path."""

from memento.cli import main

if __name__ == "__main__":
    main()
