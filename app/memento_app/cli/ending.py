"""How a command ends: the one place where an error becomes a line on standard error and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from memento.errors import MementoError, PolicyError
from memento_app.cli.output import note

FAILED: Final = 1
USAGE: Final = 2
NOTHING_FOUND: Final = 3
PARTIAL: Final = 4
INTERRUPTED: Final = 130


@contextmanager
def ending(goes_on: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Run a command inside; raises SystemExit with the code where it fails.

    `goes_on` tells whether the next run takes up what an interruption leaves.
    """
    try:
        yield
    except MementoError as error:
        for problem in str(error).splitlines() if isinstance(error, PolicyError) else [str(error)]:
            note(problem)  # of rules, one line for each complaint
        raise SystemExit(error.exit_code) from None
    except UnicodeEncodeError:  # transcripts are mended when they are read: only an argument can hold such bytes
        note("an argument is not valid UTF-8")
        raise SystemExit(USAGE) from None
    except KeyboardInterrupt:
        note("interrupted" + ("; what was committed stays, the next run goes on from there" if goes_on() else ""))
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of our output has gone: `memento recall x | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:  # of a file that no error of ours speaks of
        reason = str(error.strerror or error)
        note(f"{error.filename}: {reason}; check its permissions, and the disk" if error.filename else reason)
        raise SystemExit(FAILED) from None
