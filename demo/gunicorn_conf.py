"""Settings of gunicorn for `make up`: in a file, where gunicorn passes over names that its version does not know."""

from __future__ import annotations

threads = 4
accesslog = "-"
control_socket_disable = True  # it would be made in the home directory, which is none of the demo's business
