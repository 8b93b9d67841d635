"""What the cinema application stores: theaters, the movies that TMDB knows, and when they are shown."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Theater(models.Model):
    """A movie theater with a page at colombia.com."""

    name = models.CharField(max_length=255)
    slug = models.SlugField(unique=True)
    city = models.CharField(max_length=100)
    colombia_com_path = models.CharField(max_length=255, blank=True, default="", help_text="Empty: not scraped.")

    class Meta:
        """By name."""

        ordering = ["name"]

    def __str__(self) -> str:
        """Name and city."""
        return f"{self.name} ({self.city})"

    @property
    def url(self) -> str:
        """Address of its page, below COLOMBIA_COM_URL."""
        return f"{settings.COLOMBIA_COM_URL}{self.colombia_com_path}"


class Movie(models.Model):
    """A movie as TMDB describes it."""

    tmdb_id = models.PositiveIntegerField(unique=True)
    title = models.CharField(max_length=255)
    original_title = models.CharField(max_length=255, blank=True, default="")
    listing_name = models.CharField(max_length=255, db_index=True, help_text="What colombia.com calls it.")
    release_date = models.DateField(null=True, blank=True)
    runtime_minutes = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        """By title."""

        ordering = ["title"]

    def __str__(self) -> str:
        """The title."""
        return self.title


class Showtime(models.Model):
    """One showing of a movie in a theater."""

    theater = models.ForeignKey(Theater, on_delete=models.CASCADE, related_name="showtimes")
    movie = models.ForeignKey(Movie, on_delete=models.CASCADE, related_name="showtimes")
    start_date = models.DateField()
    start_time = models.TimeField(help_text="Bogotá time.")
    format = models.CharField(max_length=100, blank=True, default="", help_text="Such as: 2D - Subtitulado.")

    class Meta:
        """In the order in which they begin."""

        ordering = ["start_date", "start_time"]
        constraints = [
            models.UniqueConstraint(
                fields=["theater", "movie", "start_date", "start_time", "format"], name="showtime_once"
            )
        ]

    def __str__(self) -> str:
        """Movie, day and time."""
        return f"{self.movie}, {self.start_date} {self.start_time:%H:%M}"
