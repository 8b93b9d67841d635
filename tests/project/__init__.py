"""The host that the tests run: a Celery app and tasks that die in every way. Its settings are `tests.settings`."""
