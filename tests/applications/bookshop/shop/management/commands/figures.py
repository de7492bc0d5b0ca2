"""Reads everything through the ORM, as an application would, and prints what it finds."""

import hashlib
import json

from django.core.management.base import BaseCommand
from django.db.models import Sum

from shop.models import Author, Book, Line, Order


def figures(tag):
    """The figures of the rows that carry a tag."""
    books = Book.objects.filter(isbn__startswith=tag)
    lines = Line.objects.filter(order__customer__startswith=tag)
    return {
        "authors": Author.objects.filter(name__startswith=tag).count(),
        "books": books.count(),
        "out of print": books.filter(in_print=False).count(),
        "price": str(sum(books.values_list("price", flat=True))),
        "stock": books.aggregate(stock=Sum("stock"))["stock"],
        "orders": Order.objects.filter(customer__startswith=tag).count(),
        "lines": lines.count(),
        "sold": lines.aggregate(sold=Sum("quantity"))["sold"],
    }


def plain(value):
    """Bytes are read as a memoryview from PostgreSQL."""
    return bytes(value).hex() if isinstance(value, (bytes, memoryview)) else str(value)


def digest(model):
    """A hash over every field of every object, as Python sees it; in JSON, 1 and 1.0 are one number."""
    every = hashlib.sha256()
    for fields in model.objects.order_by("pk").values().iterator():
        if "tags" in fields:
            fields["tags"] = json.loads(json.dumps(fields["tags"], sort_keys=True), parse_int=float)
        every.update(repr([(name, plain(value)) for name, value in sorted(fields.items())]).encode())
    return every.hexdigest()


class Command(BaseCommand):
    help = "Prints the figures of each tag, and a digest of each model's objects."

    def add_arguments(self, parser):
        parser.add_argument("tags", nargs="*")

    def handle(self, *args, **options):
        # Objects are found by their keys and through their relations, not only listed.
        for book in Book.objects.select_related("author"):
            if Book.objects.get(pk=book.pk).author != book.author:
                raise AssertionError(f"{book.pk} is not found by its key")
        found = {tag: figures(tag) for tag in options["tags"]}
        digests = {model.__name__: digest(model) for model in (Author, Book, Order, Line)}
        self.stdout.write(json.dumps({"figures": found, "digests": digests}))
