#!/usr/bin/env python3
"""Follows what a Treaty node rolls back, and makes a to-do of each report, exactly once.

    rollbacks.py http://127.0.0.1:7070 todo.db

Reports come in order and at least once; this script makes it exactly once, by keeping the cursor in the same
transaction as what it did. Kill it at any moment, kill the sidecar at any moment: it goes on where it was.
Python's standard library only.
"""

import json
import sqlite3
import sys
import time
import urllib.error
import urllib.request

WAIT_SECONDS = 30  # how long one request waits for a report
PAUSE_SECONDS_MAX = 5  # between attempts while the sidecar is away

TABLES = """
CREATE TABLE IF NOT EXISTS todo (id INTEGER PRIMARY KEY, cursor INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), cursor INTEGER NOT NULL);
INSERT OR IGNORE INTO progress VALUES (1, 0);
"""


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    node, file = sys.argv[1].rstrip("/"), sys.argv[2]
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript(TABLES)
    (cursor,) = database.execute("SELECT cursor FROM progress").fetchone()
    while True:
        page = read_page(node, cursor)
        if page["rollbacks"]:
            cursor = handle_page(database, page)


def handle_page(database: sqlite3.Connection, page: dict) -> int:
    """Does what the reports ask for and keeps the cursor: both or neither."""
    with_cursor = [(report["cursor"], describe(report)) for report in page["rollbacks"]]
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT INTO todo (cursor, text) VALUES (?, ?)", with_cursor)
    database.execute("UPDATE progress SET cursor = ?", (page["next"],))
    database.execute("COMMIT")
    for _, text in with_cursor:
        print(text, flush=True)
    return page["next"]


def describe(report: dict) -> str:
    what = f"{report['operation']} of {report['table']} {report['row']}"
    if report["reinstated"]:
        return f"{what} counts after all"
    return f"{what} was rolled back: {report['message']}; lost: {json.dumps(report['lost'])}"


def read_page(node: str, cursor: int) -> dict:
    """Asks until there is an answer: the sidecar may be restarting."""
    url = f"{node}/v1/rollbacks?after={cursor}&wait={WAIT_SECONDS}"
    pause = 0.1
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2 * WAIT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:  # this request will not get better: wrong address, or a cursor from elsewhere
                sys.exit(f"{url}: {error.code}: {error.read().decode()}")
        except (OSError, ValueError):  # not there, gone while it answered, or half an answer
            pass
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)


if __name__ == "__main__":
    main()
