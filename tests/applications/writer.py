"""An application that knows nothing of Treaty: writes numbered rows in transactions of a given size.

usage: writer.py sqlite3|sqlalchemy FILE TAG ROW_COUNT TRANSACTION_SIZE
       writer.py psycopg|sqlalchemy postgres://... TAG ROW_COUNT TRANSACTION_SIZE

Every transaction inserts TRANSACTION_SIZE rows that carry the transaction's own number in `amount`, so that a reader
elsewhere can tell whether it sees whole transactions, in their order.
"""

import sqlite3
import sys


def transactions(row_count, size):
    for start in range(0, row_count, size):
        yield start // size, range(start, min(start + size, row_count))


def write_by_sqlite3(database, tag, row_count, size):
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    for number, rows in transactions(row_count, size):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO items (name, amount, note) VALUES (?, ?, ?)",
            [(f"{tag} {row}", number, tag) for row in rows],
        )
        connection.execute("COMMIT")
    connection.close()


def write_by_psycopg(database, tag, row_count, size):
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
        for number, rows in transactions(row_count, size):
            with connection.transaction():
                cursor.executemany(
                    "INSERT INTO items (name, amount, note) VALUES (%s, %s, %s)",
                    [(f"{tag} {row}", number, tag) for row in rows],
                )


def write_by_sqlalchemy(database, tag, row_count, size):
    import uuid

    from sqlalchemy import String, Uuid, create_engine, event
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    if database.startswith("postgres://"):
        key_type, engine = Uuid(as_uuid=False), create_engine(database.replace("postgres", "postgresql+psycopg", 1))
    else:
        key_type, engine = String, create_engine(f"sqlite:///{database}", connect_args={"timeout": 60})

        @event.listens_for(engine, "connect")
        def relax(connection, _record):
            connection.execute("PRAGMA synchronous = NORMAL")

    class Base(DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "items"
        id: Mapped[str] = mapped_column(key_type, primary_key=True, default=lambda: str(uuid.uuid4()))
        name: Mapped[str]
        amount: Mapped[int]
        note: Mapped[str]

    with Session(engine) as session:
        for number, rows in transactions(row_count, size):
            session.add_all(Item(name=f"{tag} {row}", amount=number, note=tag) for row in rows)
            session.commit()
    engine.dispose()


def main():
    library, database, tag, row_count, size = sys.argv[1:]
    write = {"sqlite3": write_by_sqlite3, "psycopg": write_by_psycopg, "sqlalchemy": write_by_sqlalchemy}[library]
    write(database, tag, int(row_count), int(size))


main()
