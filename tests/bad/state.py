"""State files that are damaged, somebody else's, or nowhere: refused, and left as they are."""

import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile

from bad.fakes import Fake
from bad.harness import PORT, RECEIVERS, RULES, Daemon, check, wait_until
from bad.start import FILES, GOOD, AtOnce


def killed(binary, directory):
    """The data directory of a daemon that was killed while it told people: a state file with a log of many commits."""
    config = "global: {evaluation_interval: 1s}\n" + GOOD
    Fake.webhook.clear()
    with Daemon(binary, directory, config, FILES, PORT + 20) as daemon:
        check("Watchdog is told", wait_until(15, lambda: Fake.webhook), daemon.log()[-500:])
        wait_until(3, lambda: (daemon.home / "data" / "atalaya.db-wal").stat().st_size > 100_000)
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
    return daemon.home / "data"


def bad_states(binary, directory):
    print("state files:")
    seed = killed(binary, directory)
    starts = AtOnce(binary, directory)
    page = 4096

    def case(what, words, change, files=GOOD):
        def before(home, data):
            shutil.copytree(seed, data)
            change(data)
        starts.refused(what, files, ["atalaya.db", *words], FILES, before=before)

    def without_log(change):
        """The same file after a sound end, when there is no log."""
        def both(data):
            with sqlite3.connect(data / "atalaya.db") as file:
                file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            file.close()
            change(data / "atalaya.db")
        return both

    def write(at, what):
        def change(path):
            with path.open("r+b") as file:
                file.seek(at)
                file.write(what)
        return change

    def sql(*statements):
        def change(path):
            with sqlite3.connect(path) as file:
                for statement in statements:
                    file.execute(statement)
            file.close()
        return without_log(change)

    def other(make):
        def change(data):
            (data / "atalaya.db-wal").unlink()
            (data / "atalaya.db").unlink()
            make(data / "atalaya.db")
        return change

    case("cut off within a page", ["damaged"], without_log(lambda path: os.truncate(path, 2 * page + 100)))
    case("cut off behind a page", ["damaged"], without_log(lambda path: os.truncate(path, 2 * page)))
    case("cut off within the head", ["damaged"], without_log(lambda path: os.truncate(path, 50)))
    case("of zeros", ["damaged"], without_log(lambda path: path.write_bytes(bytes(path.stat().st_size))))
    case("with a page of zeros", ["damaged"], without_log(write(3 * page, bytes(page))))
    case("with random bytes", ["damaged"], without_log(write(page + 10, os.urandom(4 * page))))
    case("with a broken head", ["damaged"], without_log(write(16, b"\xff\xff\x07\x07")))
    case("empty", ["damaged", "empty"], without_log(lambda path: os.truncate(path, 0)))
    case("with a row that is not ours", ["damaged", "instance"], sql("INSERT INTO instance VALUES ('a', 'b', '{')"))
    case("without a table", ["damaged", "no such table"], sql("DROP TABLE lane"))
    case("without a table that is only written", ["damaged", "no such table"], sql("DROP TABLE audit"))
    case("with a column of another name", ["damaged", "no such column"], sql("ALTER TABLE episode RENAME body TO soul"))
    case("of a later layout", ["77"], sql("PRAGMA user_version = 77"))
    case("of another program", ["another program"], sql("PRAGMA application_id = 1"))
    case("a directory", ["something else"], other(lambda path: path.mkdir()))
    case("a pipe", ["something else"], other(os.mkfifo))
    case("a link to nowhere", ["leads nowhere"], other(lambda path: path.symlink_to("/nowhere/atalaya.db")))
    case("gone, with its log left", ["is gone", "-wal"], lambda data: (data / "atalaya.db").unlink())
    log = "atalaya.db-wal"
    case("a log of garbage", ["damaged", log], lambda data: (data / log).write_bytes(os.urandom(100_000)))
    case("a log that is broken in the middle", ["damaged", log, "broken"], lambda data: write(32 + 24 + 100, b"????")(data / log))
    case("a log that is a directory", ["damaged", log], lambda data: ((data / log).unlink(), (data / log).mkdir()))
    case("a log whose head is broken", ["damaged", log], lambda data: write(8, b"????")(data / log))
    for what, make in [("a pipe", os.mkfifo), ("a directory", lambda path: path.mkdir())]:
        starts.refused(f"{what} as the lock", GOOD, ["atalaya.lock"], FILES,
                       before=lambda home, data, make=make: (data.mkdir(), make(data / "atalaya.lock")))
    starts.wait()

    config = "global: {evaluation_interval: 1s}\n" + GOOD
    Fake.webhook.clear()
    with Daemon(binary, directory, config, FILES, PORT + 21, data=seed) as daemon:
        daemon.works("a log that was torn by a kill")
        starts = AtOnce(binary, directory)
        starts.refused("a data directory that is in use", GOOD, [str(seed), "in use"], FILES, data=seed, is_changing=True)
        starts.wait()
        daemon.works("a second one")
    small_disk(binary, directory)


def small_disk(binary, directory):
    """A disk with hardly any room, and one that is read only; only where we may mount one."""
    for size, words in [("size=8k", ["atalaya.db", "disk is full", "room"]), ("size=1m,ro", ["ead-only"])]:
        disk = pathlib.Path(tempfile.mkdtemp(dir=directory))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], capture_output=True).returncode != 0:
            print("  (no disk may be mounted here)")
            return
        try:
            starts = AtOnce(binary, directory)
            starts.refused(f"a disk with {size}", GOOD, words, FILES, data=disk / "data", is_changing=True)
            starts.wait()
            left = [path.name for path in disk.rglob("*") if path.is_file() and path.name != "atalaya.lock"]
            check(f"a disk with {size}: nothing is left behind", not left, str(left))
        finally:
            subprocess.run(["umount", disk], check=True)
