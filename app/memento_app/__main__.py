"""`python -m memento_app`, the same as the command `memento`."""

from memento_app.cli import main

if __name__ == "__main__":
    main()
