"""`python -m memento`, for where the command is not on the path."""

from importlib.metadata import entry_points

if __name__ == "__main__":
    # By its name: this package does not import the packages above it.
    (command,) = entry_points(group="console_scripts", name="memento")
    command.load()()
