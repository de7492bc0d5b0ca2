"""What the shop holds before anybody replicates it."""

from datetime import date
from decimal import Decimal

from django.core.management.base import BaseCommand
from django.db import transaction

from shop.models import Author, Book


class Command(BaseCommand):
    help = "Makes the first authors and books."

    @transaction.atomic
    def handle(self, *args, **options):
        for name, born in [("Gottfried Keller", date(1819, 7, 19)), ("Zoë Jenny", date(1974, 3, 16))]:
            author = Author.objects.create(name=name, born=born)
            for number in range(20):
                Book.objects.create(
                    author=author,
                    isbn=f"opening {name[0]}{number}",
                    title=f"Volume {number} of {name}",
                    price=Decimal("12.50") + number,
                    stock=number,
                    tags={"shelf": number, "new": number % 2 == 0},
                )
