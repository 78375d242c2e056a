"""`memento setup`: from an installed package to agents that remember, and back again.

Every step looks at what is there and does what is missing, so a run that was interrupted is finished by the next one.
What a step changes in files of other programs is recorded before it is changed (`changes`).
"""
