#!/usr/bin/env python3
"""Gives the real binary what it should never be given, and looks at what it makes of it.

At start every bad input has to end in a message that names it and a status that is not 0, with nothing touched. While the
daemon runs, every bad input has to end in a message, a metric, and a daemon that still tells people. Everything is on
loopback and ends by itself.
"""

import argparse
import io
import pathlib
import shutil
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from bad import clock, fakes, receivers, reload, start, state, targets
from bad.harness import check, own, say, troubles

# One after the other; and those that mostly wait, beside them.
PARTS = (start.bad_starts, start.bad_places, start.bad_secret_files, state.bad_states, targets.bad_targets, targets.wild_targets,
         targets.many_rules, receivers.bad_slack, reload.bad_reload, reload.full_disk, clock.bad_clock)
BESIDE = (receivers.bad_answers, reload.bad_files, reload.bad_secrets)


def timed(part, binary, directory):
    began = time.monotonic()
    try:
        part(binary, directory)
    except BaseException as error:
        check(part.__name__, False, f"ended early: {error!r}")
        raise
    say(f"  ({part.__name__}: {time.monotonic() - began:.1f}s)")


def beside(part, binary, directory):
    own.lines = io.StringIO()
    try:
        timed(part, binary, directory)
    finally:
        print(own.lines.getvalue(), end="", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary", type=pathlib.Path)
    arguments.add_argument("--only", help="one of the functions by name")
    options = arguments.parse_args()
    binary = options.binary.resolve()
    fakes.serve()
    directory = tempfile.mkdtemp(prefix="atalaya-bad-")
    try:
        wanted = lambda parts: [part for part in parts if options.only in (None, part.__name__)]
        threads = [threading.Thread(target=beside, args=(part, binary, directory)) for part in wanted(BESIDE)]
        for thread in threads:
            thread.start()
        for part in wanted(PARTS):
            timed(part, binary, directory)
        for thread in threads:
            thread.join()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(troubles)} wrong: {'; '.join(troubles)}" if troubles else "all as it should be")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
