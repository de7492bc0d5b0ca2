"""An application that knows nothing of Treaty: asyncpg, many connections at once.

usage: with_asyncpg.py DSN TAG

Workers move amounts between accounts; what is moved is neither made nor lost. Every row carries the tag in `note`. Prints, as
JSON, the figures that must come of it.
"""

import asyncio
import json
import random
import sys
import uuid
from decimal import Decimal

import asyncpg

ACCOUNTS = 12
WORKERS = 8
MOVES = 30
OPENING = 1_000
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)


class Changed(Exception):
    """The customer changed his mind."""


class Bank:
    def __init__(self, pool, tag):
        self.pool, self.tag, self.balances, self.rows = pool, tag, {}, 0

    async def open_accounts(self):
        """COPY of Python records, and of a file's lines."""
        async with self.pool.acquire() as connection:
            accounts = [(uuid.uuid4(), f"{self.tag} account {n}", OPENING, None, self.tag) for n in range(ACCOUNTS)]
            columns = ["id", "name", "amount", "price", "note"]
            await connection.copy_records_to_table("items", records=accounts, columns=columns)
            self.balances = {id: OPENING for id, *_ in accounts}
            lines = "".join(f"{self.tag} line {n},0,{n}.50,{self.tag}\n" for n in range(300))
            await connection.copy_to_table("items", source=Lines(lines), columns=columns[1:], format="csv")
            records = [(f"{self.tag} record {n}", Decimal(n)) for n in range(100)]
            insert = "INSERT INTO items (name, amount, price, note) VALUES ($1, 0, $2, $3)"
            await connection.executemany(insert, [(*record, self.tag) for record in records])
            self.rows = ACCOUNTS + 400

    async def work(self, number):
        """Moves amounts; tries again where the database says so, now and then changes its mind."""
        chance = random.Random(f"{self.tag} {number}")
        for move in range(MOVES):
            source, target = chance.sample(sorted(self.balances), 2)
            amount, isolation = chance.randrange(1, 50), ("read_committed", "repeatable_read", "serializable")[move % 3]
            while True:
                try:
                    await self.move(source, target, amount, isolation, changes_mind=move % 7 == 0)
                except AGAIN:
                    await asyncio.sleep(chance.random() / 50)
                    continue
                except Changed:
                    break
                self.balances[source] -= amount
                self.balances[target] += amount
                self.rows += 1
                break

    async def move(self, source, target, amount, isolation, changes_mind):
        async with self.pool.acquire() as connection, connection.transaction(isolation=isolation):
            # In one order everywhere, so that two moves seldom wait for each other.
            await connection.execute(
                "SELECT FROM items WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", [source, target]
            )
            take = await connection.prepare("UPDATE items SET amount = amount + $2 WHERE id = $1 RETURNING amount")
            await take.fetchval(source, -amount)
            try:
                async with connection.transaction():
                    await take.fetchval(target, amount + 1)
                    await connection.execute("INSERT INTO items (id, name) VALUES ($1, 'twice')", source)
            except asyncpg.UniqueViolationError:
                pass
            await take.fetchval(target, amount)
            slip = "INSERT INTO items (name, amount, note) VALUES ($1, 0, $2)"
            await connection.execute(slip, f"{self.tag}: {source} to {target}, {amount}", self.tag)
            if changes_mind:
                raise Changed

    def figures(self):
        return {
            "rows": self.rows,
            "amount": sum(self.balances.values()),
            "balances": sorted(self.balances.values()),
        }


class Lines:
    """A file of one chunk, as copy_to_table reads it."""

    def __init__(self, text):
        self.chunks = [text.encode(), b""]

    def read(self, _size):
        return self.chunks.pop(0) if self.chunks else b""


async def main():
    dsn, tag = sys.argv[1:]
    async with asyncpg.create_pool(dsn, min_size=WORKERS, max_size=WORKERS) as pool:
        bank = Bank(pool, tag)
        await bank.open_accounts()
        await asyncio.gather(*(bank.work(number) for number in range(WORKERS)))
        figures = bank.figures()
        if figures["amount"] != ACCOUNTS * OPENING:
            raise AssertionError(f"amounts were made or lost: {figures}")
    print(json.dumps(figures))


asyncio.run(main())
