"""The shop: authors and their books, orders and their lines. Every key is a UUID, as Django makes it."""

import uuid

from django.db import models


class Base(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True


class Author(Base):
    name = models.CharField(max_length=120)
    born = models.DateField(null=True)


class Book(Base):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    isbn = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=80, db_index=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.IntegerField(default=0)
    in_print = models.BooleanField(default=True)
    weight = models.FloatField(null=True)
    added = models.DateTimeField(auto_now_add=True)
    cover = models.BinaryField(null=True)
    tags = models.JSONField(default=list)


class Order(Base):
    customer = models.TextField()
    placed = models.DateTimeField()
    deliver_at = models.TimeField(null=True)


class Line(Base):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="lines")
    quantity = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "book"], name="a_book_once")]
