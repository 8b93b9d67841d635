"""The cinema's own pages in the admin."""

from __future__ import annotations

from django.contrib import admin

from demo.cinema.models import Movie, Showtime, Theater
from issue_tracker.admin import OpenIssuesMixin


@admin.register(Theater)
class TheaterAdmin(OpenIssuesMixin, admin.ModelAdmin):
    """Theaters, by city, each with its open issues: what was recorded with its `theater_id`."""

    issues_context_key = "theater_id"
    list_display = ["name", "city", "colombia_com_path"]
    list_filter = ["city"]
    search_fields = ["name", "slug"]


@admin.register(Movie)
class MovieAdmin(admin.ModelAdmin):
    """Movies, as TMDB describes them."""

    list_display = ["title", "listing_name", "tmdb_id", "release_date"]
    search_fields = ["title", "listing_name"]


@admin.register(Showtime)
class ShowtimeAdmin(admin.ModelAdmin):
    """Showtimes, by day and theater."""

    list_display = ["movie", "theater", "start_date", "start_time", "format"]
    list_filter = ["start_date", "theater"]
    list_select_related = ["movie", "theater"]
