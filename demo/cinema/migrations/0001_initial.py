"""Tables of the cinema application."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Movie",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tmdb_id", models.PositiveIntegerField(unique=True)),
                ("title", models.CharField(max_length=255)),
                ("original_title", models.CharField(blank=True, default="", max_length=255)),
                (
                    "listing_name",
                    models.CharField(db_index=True, help_text="What colombia.com calls it.", max_length=255),
                ),
                ("release_date", models.DateField(blank=True, null=True)),
                ("runtime_minutes", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={
                "ordering": ["title"],
            },
        ),
        migrations.CreateModel(
            name="Theater",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255)),
                ("slug", models.SlugField(unique=True)),
                ("city", models.CharField(max_length=100)),
                (
                    "colombia_com_path",
                    models.CharField(blank=True, default="", help_text="Empty: not scraped.", max_length=255),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Showtime",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start_date", models.DateField()),
                ("start_time", models.TimeField(help_text="Bogotá time.")),
                (
                    "format",
                    models.CharField(blank=True, default="", help_text="Such as: 2D - Subtitulado.", max_length=100),
                ),
                (
                    "movie",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="showtimes", to="cinema.movie"
                    ),
                ),
                (
                    "theater",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="showtimes", to="cinema.theater"
                    ),
                ),
            ],
            options={
                "ordering": ["start_date", "start_time"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("theater", "movie", "start_date", "start_time", "format"), name="showtime_once"
                    )
                ],
            },
        ),
    ]
