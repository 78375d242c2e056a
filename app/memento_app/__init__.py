"""The faces of Memento: everything through which people and agents reach it, each composed from the packages below."""
