"""An application that knows nothing of Treaty: psycopg 3, by each of its ways of writing.

usage: with_psycopg.py DSN TAG

Every row carries the tag in `note`. Prints, as JSON, the figures that must come of it.
"""

import itertools
import json
import sys
import uuid
from decimal import Decimal

import psycopg
from psycopg import Rollback

INSERT = "INSERT INTO items (id, name, amount, price, note) VALUES (%s, %s, %s, %s, %s)"
MERGE_SINCE = 150_000


class Stock:
    """What the application believes its rows to be: amount and price by id."""

    def __init__(self, tag):
        self.tag, self.rows, self.numbers = tag, {}, itertools.count()

    def row(self, amount, price):
        number = next(self.numbers)
        return (uuid.uuid4(), f"{self.tag} {number} ü\t'\"\\", amount, price, self.tag)

    def keep(self, rows):
        self.rows.update({row[0]: [row[2], row[3]] for row in rows})
        return rows

    def change(self, ids, by):
        for id in ids:
            self.rows[id][0] += by

    def drop(self, ids):
        for id in ids:
            del self.rows[id]

    def figures(self):
        prices = [price for _, price in self.rows.values() if price is not None]
        return {
            "rows": len(self.rows),
            "amount": sum(amount for amount, _ in self.rows.values()),
            "price": str(sum(prices)),
        }


def copied_and_executed_many(connection, stock):
    """executemany; COPY as text and as binary; single statements that commit themselves."""
    with connection.cursor() as cursor:
        with connection.transaction():
            cursor.executemany(INSERT, stock.keep([stock.row(n, Decimal(n) / 4) for n in range(500)]))
        with connection.transaction(), cursor.copy("COPY items (id, name, amount, price, note) FROM STDIN") as copy:
            for row in stock.keep([stock.row(n, None) for n in range(1_000)]):
                copy.write_row(row)
        binary = "COPY items (id, name, amount, price, note) FROM STDIN (FORMAT BINARY)"
        with connection.transaction(), cursor.copy(binary) as copy:
            copy.set_types(["uuid", "text", "int4", "numeric", "text"])
            for row in stock.keep([stock.row(-n, Decimal("99999999.99")) for n in range(1_000)]):
                copy.write_row(row)
    for row in stock.keep([stock.row(1, Decimal(1)) for _ in range(20)]):
        connection.execute(INSERT, row)


def pipelined(connection, stock):
    """Statements sent without waiting for answers; prepared ones."""
    rows = stock.keep([stock.row(n, Decimal("0.01")) for n in range(200)])
    with connection.pipeline(), connection.transaction():
        for row in rows:
            connection.execute(INSERT, row, prepare=True)
    with connection.pipeline():
        for row in rows[:50]:
            connection.execute("UPDATE items SET amount = amount + %s WHERE id = %s", (5, row[0]), prepare=True)
    stock.change([row[0] for row in rows[:50]], 5)


def by_cursor(connection, stock):
    """A cursor on the server, and updates of the row that it stands on."""
    with connection.transaction(), connection.cursor(name="shelf") as shelf:
        shelf.execute("SELECT id FROM items WHERE note = %s AND amount < 0 ORDER BY id FOR UPDATE", (stock.tag,))
        shelf.itersize = 1
        for _ in range(30):
            (id,) = shelf.fetchone()
            connection.execute("UPDATE items SET amount = amount + 3 WHERE CURRENT OF shelf")
            stock.change([id], 3)


def nested(connection, stock):
    """Savepoints and transactions that are rolled back."""
    kept, lost = [stock.row(7, None) for _ in range(40)], [stock.row(8, None) for _ in range(40)]
    for good, bad in zip(kept, lost):
        with connection.transaction():
            connection.execute(INSERT, good)
            with connection.transaction():
                connection.execute("UPDATE items SET amount = amount + 1 WHERE id = %s", (good[0],))
            with connection.transaction() as inner:
                connection.execute(INSERT, bad)
                connection.execute("DELETE FROM items WHERE id = %s", (good[0],))
                raise Rollback(inner)
            try:
                with connection.transaction():
                    connection.execute(INSERT, good)
            except psycopg.errors.UniqueViolation:
                pass
    stock.keep(kept)
    stock.change([row[0] for row in kept], 1)
    for statement in ("UPDATE items SET amount = 0 WHERE note = %s", "DELETE FROM items WHERE note = %s"):
        with connection.transaction() as outer:
            connection.execute(statement, (stock.tag,))
            raise Rollback(outer)


def in_one_statement(connection, stock):
    """ON CONFLICT, MERGE, and statements that write several times."""
    there, new = sorted(stock.rows)[:25], stock.keep([stock.row(2, None) for _ in range(25)])
    rows = [(id, "x", 0, None, stock.tag) for id in there] + new
    upsert = INSERT + " ON CONFLICT (id) DO UPDATE SET amount = items.amount + 10"
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(upsert, rows)
        cursor.executemany(INSERT + " ON CONFLICT DO NOTHING", rows)
    stock.change(there, 10)

    if connection.info.server_version >= MERGE_SINCE:
        merge = """
            MERGE INTO items USING (SELECT unnest(%s::uuid[]) AS id) AS given ON items.id = given.id
            WHEN MATCHED AND items.amount > 400 THEN DELETE
            WHEN MATCHED THEN UPDATE SET amount = items.amount + 1
            WHEN NOT MATCHED THEN INSERT (id, name, amount, note) VALUES (given.id, 'merged', 1, %s)"""
        given, fresh = sorted(stock.rows)[100:900], [uuid.uuid4() for _ in range(10)]
        connection.execute(merge, (given + fresh, stock.tag))
        gone = [id for id in given if stock.rows[id][0] > 400]
        stock.drop(gone)
        stock.change([id for id in given if id in stock.rows], 1)
        stock.rows.update({id: [1, None] for id in fresh})

    # The same rows under other keys: deleted and inserted by one statement.
    moved = sorted(stock.rows)[:30]
    again = """
        WITH gone AS (DELETE FROM items WHERE id = ANY(%s) RETURNING name, amount, price, note)
        INSERT INTO items (name, amount, price, note) SELECT name, amount, price, note FROM gone RETURNING id, amount, price"""
    inserted = connection.execute(again, (moved,)).fetchall()
    stock.drop(moved)
    stock.rows.update({id: [amount, price] for id, amount, price in inserted})

    # Every tenth is deleted, having been changed before in the same transaction.
    tenth = sorted(stock.rows)[::10]
    with connection.transaction():
        connection.execute("UPDATE items SET amount = 0 WHERE id = ANY(%s)", (tenth,))
        connection.execute("DELETE FROM items WHERE id = ANY(%s)", (tenth,))
    stock.drop(tenth)


def main():
    dsn, tag = sys.argv[1:]
    stock = Stock(tag)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for write in (copied_and_executed_many, pipelined, by_cursor, nested, in_one_statement):
            write(connection, stock)
    print(json.dumps(stock.figures()))


main()
