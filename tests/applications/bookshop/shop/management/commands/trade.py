"""A day in the shop, by everything that the ORM offers. Prints the figures that must come of it."""

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

from django.core.management.base import BaseCommand
from django.db import IntegrityError, transaction
from django.db.models import Count, F

from shop.models import Author, Book, Line, Order

# More authors than are ever sold, so that one of them can go.
AUTHORS = 40
BOOKS = 300
ORDERS = 30


class SoldOut(Exception):
    pass


def cents(number):
    return Decimal(number) / 100


class Command(BaseCommand):
    help = "Trades; every row carries the tag."

    def add_arguments(self, parser):
        parser.add_argument("tag")

    def handle(self, *args, **options):
        self.tag = options["tag"]
        self.deliver()
        self.correct()
        self.sell()
        self.clear_out()
        self.stdout.write(json.dumps(self.expected))

    def deliver(self):
        """bulk_create, plain and with its two ways of meeting rows that are there."""
        tag = self.tag
        self.authors = Author.objects.bulk_create(
            Author(name=f"{tag} {number}", born=date(1900 + number, 2, 28)) for number in range(AUTHORS)
        )
        self.books = [
            Book(
                author=self.authors[number % AUTHORS],
                isbn=f"{tag} {number}",
                title=f"{tag} «{number}»",
                price=cents(number),
                stock=100,
                weight=number / 7,
                cover=bytes([number % 256, 0]),
                tags=[number, number / 2, {"b": None, "aa": "é"}],
            )
            for number in range(BOOKS)
        ]
        Book.objects.bulk_create(self.books, batch_size=90)
        self.prices = {book.isbn: book.price for book in self.books}

        again = [Book(author=self.authors[0], isbn=book.isbn, title="must not be", price=0) for book in self.books[:50]]
        Book.objects.bulk_create(again, ignore_conflicts=True)
        again = [Book(author=self.authors[1], isbn=f"{tag} {n}", title=f"{tag} {n}", price=cents(999)) for n in range(40, 60)]
        again += [Book(author=self.authors[1], isbn=f"{tag} new {n}", title=f"{tag} new {n}", price=cents(777)) for n in range(5)]
        Book.objects.bulk_create(again, update_conflicts=True, unique_fields=["isbn"], update_fields=["price"])
        self.prices.update({book.isbn: book.price for book in again})

    def correct(self):
        """get_or_create, update_or_create, save, bulk_update, expressions."""
        tag, defaults = self.tag, {"author": self.authors[2], "title": f"{self.tag} found", "price": cents(500)}
        for _ in range(2):
            found, _ = Book.objects.get_or_create(isbn=f"{tag} found", defaults=defaults)
        for price in (600, 650):
            Book.objects.update_or_create(
                isbn=f"{tag} changed", defaults={"price": cents(price)}, create_defaults=defaults
            )
        self.prices.update({found.isbn: cents(500), f"{tag} changed": cents(650)})

        for book in self.books[100:120]:
            book.price += cents(25)
            self.prices[book.isbn] = book.price
        Book.objects.bulk_update(self.books[100:120], ["price"])
        for book in self.books[:7]:
            book.in_print = False
            book.save(update_fields=["in_print"])
        # Two forward, one back: what matters is the sum.
        Book.objects.filter(isbn__startswith=tag).update(stock=F("stock") + 2)
        Book.objects.filter(isbn__startswith=tag).update(stock=F("stock") - 1)
        self.stock = {isbn: 101 if isbn in {book.isbn for book in self.books} else 1 for isbn in self.prices}

    def sell(self):
        """Transactions with savepoints in them; some savepoints and some transactions are rolled back."""
        self.orders, self.lines = [], {}
        for number in range(ORDERS):
            try:
                self.sell_one(number)
            except SoldOut:
                continue

    def sell_one(self, number):
        placed = datetime(2024, 2, 29, 23, 59, 59, 250_000, timezone(timedelta(hours=2))) + timedelta(hours=number)
        lines = {}
        with transaction.atomic():
            order = Order.objects.create(customer=f"{self.tag} {number}", placed=placed, deliver_at=time(9, number))
            for book in self.books[number : number + 3]:
                Line.objects.create(order=order, book=book, quantity=number + 1)
                Book.objects.filter(pk=book.pk).update(stock=F("stock") - (number + 1))
                lines[book.isbn] = number + 1
            try:
                with transaction.atomic():
                    Book.objects.select_for_update().filter(pk=self.books[number].pk).update(stock=F("stock") - 1000)
                    Line.objects.create(order=order, book=self.books[number], quantity=1)
            except IntegrityError:
                pass  # That book is in the order already: the savepoint took the stock's change along.
            else:
                raise AssertionError("a book stands twice in an order")
            if number % 5 == 4:
                raise SoldOut
        self.orders.append(order)
        self.lines[order.pk] = lines
        for isbn, quantity in lines.items():
            self.stock[isbn] -= quantity

    def clear_out(self):
        """Deletes that Django cascades itself."""
        order = self.orders.pop(0)
        order_pk = order.pk
        order.delete()
        del self.lines[order_pk]
        unread = Author.objects.filter(name__startswith=self.tag).annotate(lines=Count("books__lines"))
        gone = unread.filter(lines=0).order_by("name").first()
        for isbn in gone.books.values_list("isbn", flat=True):
            del self.prices[isbn], self.stock[isbn]
        gone.delete()

    @property
    def expected(self):
        in_print = {book.isbn for book in self.books[:7]} & set(self.prices)
        return {
            "authors": len(self.authors) - 1,
            "books": len(self.prices),
            "out of print": len(in_print),
            "price": str(sum(self.prices.values())),
            "stock": sum(self.stock.values()),
            "orders": len(self.orders),
            "lines": sum(len(lines) for lines in self.lines.values()),
            "sold": sum(sum(lines.values()) for lines in self.lines.values()),
        }
