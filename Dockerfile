# The demo's image: web, worker, beat and the stand-in upstream are this one, with different commands (docker-compose.yml).
# The classic builder is enough: no RUN --mount.
ARG PYTHON_VERSION=3.13
FROM python:${PYTHON_VERSION}-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PATH=/opt/venv/bin:$PATH

# A number and not only a name, so that an orchestrator can see that it is not root. It owns the spool's directory, which a
# named volume takes over with its owner and mode; the app refuses a spool that others could read.
# An environment of its own: a distribution's Python may hold packages that pip can't replace.
RUN python -m venv /opt/venv \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin app \
 && install -d -o app -g app -m 0700 /var/spool/issue-tracker
WORKDIR /app

# The dependencies are a layer of their own, built again only when pyproject.toml changes: an editable install wants the
# package's directory to be there, not its content.
COPY pyproject.toml README.md LICENSE ./
RUN mkdir issue_tracker && touch issue_tracker/__init__.py && pip install --quiet --editable '.[demo]'

COPY . .

USER 10001:10001
ENV SPOOL_DIR=/var/spool/issue-tracker \
    DEBUG=0
EXPOSE 8000
CMD ["gunicorn", "demo.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--access-logfile", "-"]
