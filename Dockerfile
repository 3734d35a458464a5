# syntax=docker/dockerfile:1
# Scanning, without TensorFlow:    docker build -t callcount .
# Training as well:                docker build -t callcount-train --target train .
# docker/prove.sh takes the steps of the first one without Docker, and measures them.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS wheel
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim AS base
# Any user may run it, as `docker run --user` says: what needs a home finds one in /tmp.
ENV HOME=/tmp PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN useradd --uid 1000 --no-create-home --home-dir /tmp callcount
WORKDIR /data
ENTRYPOINT ["callcount"]
CMD ["--help"]

FROM base AS train
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels pip install "$(ls /wheels/*.whl)[train]"
USER callcount

FROM base AS scan
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels pip install /wheels/*.whl
USER callcount
