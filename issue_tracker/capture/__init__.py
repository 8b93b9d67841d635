"""Every way in which Celery, its log, a publisher or a thread tells of a death, as a `Failure`. Left of the seam."""
