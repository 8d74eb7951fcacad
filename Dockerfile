FROM python:3.13-slim-bookworm AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

# The packages first: this layer is made anew only when the lock file changes.
COPY requirements.lock ./
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --quiet --no-compile --require-hashes --only-binary :all: -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY portal ./portal
COPY content ./content
COPY questionnaires ./questionnaires
COPY translations ./translations
# Unchanged sources are known by their hash, whatever happens to their dates on the way into the image.
RUN /venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e . \
    && PORTAL_DATA_DIR=/data /venv/bin/portal translations compile \
    && /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app/portal /venv/lib


FROM python:3.13-slim-bookworm

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GUNICORN_CMD_ARGS=--no-control-socket \
    PORTAL_ENVIRONMENT=production \
    PORTAL_DATA_DIR=/data

RUN groupadd --gid 10001 portal \
    && useradd --uid 10001 --gid portal --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin portal \
    && install --directory --owner=portal --group=portal /data

COPY --from=builder /venv /venv
COPY --from=builder /app /app

WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["portal", "serve"]
