# Shoal in a container, for CPUs and NVIDIA GPUs alike: torch brings CUDA's libraries, the host brings the driver.
#
#   docker build -t shoal .                                    (--build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04)
#   docker run --init --shm-size=2g -p 8000:8000 -v shoal-voices:/app/voices shoal             (a GPU: --gpus all)
#   docker run ... -v /path/to/openaudio-s1-mini:/app/checkpoints/s1 -e CHECKPOINT=checkpoints/s1 shoal
#
# Ray keeps its objects in /dev/shm, of which Docker gives 64 MB unless asked: it would fall back to the disk.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# The compiler stays: the kernels are made for the CPU that the container starts on, and Triton needs one too.
RUN apt-get update \
    && apt-get install -y --no-install-recommends make g++ \
    && { python3 -c 'import ensurepip' || apt-get install -y --no-install-recommends python3-venv python3-dev; } \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 shoal

WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0

# The packages, several gigabytes, are a layer of their own that a change of code leaves alone.
COPY Makefile requirements.txt ./
# For CPUs alone, without NVIDIA's libraries: --build-arg TORCH=cpu
ARG TORCH=cu130
RUN make packages TORCH=${TORCH}
COPY . .
RUN make project && install -d -o shoal voices logs

USER 10001
# 8265 is Ray's dashboard, for a node that starts with `ray start --head --dashboard-host 0.0.0.0`.
EXPOSE 8000 8265
# The first start on a GPU compiles for a minute or two; whatever answers sooner ends the period.
HEALTHCHECK --interval=30s --timeout=10s --start-period=600s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/health', timeout=9)"]
# A container's own network is its border: whoever publishes the port decides who reaches it.
CMD ["python", "-m", "deployments", "serve_config.yaml", "--host", "0.0.0.0"]
