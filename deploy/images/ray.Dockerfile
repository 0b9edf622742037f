# Head and workers of the Ray cluster: the tiles of the simulator and the analyzer run here.
# BASE is any image with Python 3.12 or later and a shell; BUILDER is one that has pip too.
ARG BASE=python:3.12-slim-trixie
ARG BUILDER=${BASE}

FROM ${BUILDER} AS build
WORKDIR /build
COPY deploy/images/build.lock deploy/images/ray.lock ./
# a package index other than PyPI comes in as a secret, and stays in no layer
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv --without-pip /opt/cryolattice && \
    python3 -m pip --python /opt/cryolattice install --no-cache-dir --no-deps --require-hashes -r ray.lock && \
    python3 -m venv --without-pip tools && \
    python3 -m pip --python tools install --no-cache-dir --no-deps --require-hashes -r build.lock
COPY services/common common
COPY services/simulator simulator
COPY services/analyzer analyzer
RUN python3 -m pip --python tools wheel --no-index --no-deps --no-build-isolation -w wheels ./common ./simulator ./analyzer && \
    python3 -m pip --python /opt/cryolattice install --no-index --no-deps wheels/*.whl && \
    find /opt/cryolattice -depth -type d -name tests -exec rm -r {} +

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cryolattice-ray" \
      org.opencontainers.image.description="Ray nodes that compute the tiles of sweeps and rankings" \
      org.opencontainers.image.licenses="GPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN echo "cryolattice:x:10001:10001::/tmp:/usr/sbin/nologin" >> /etc/passwd && \
    echo "cryolattice:x:10001:" >> /etc/group && \
    install -d -o 10001 -g 10001 /var/lib/cryolattice
COPY LICENSE /usr/share/doc/cryolattice/LICENSE
COPY --from=build /opt/cryolattice /opt/cryolattice
# a login shell, in which KubeRay may start Ray, has a PATH of its own
RUN ln -s /opt/cryolattice/bin/ray /usr/local/bin/ray
# only /tmp and the data folder are written to; a core is one tile's
ENV PATH=/opt/cryolattice/bin:/usr/local/bin:/usr/bin:/bin \
    CRYOLATTICE_HOME=/var/lib/cryolattice \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    NUMBA_NUM_THREADS=1 \
    RAY_USAGE_STATS_ENABLED=0
# the head forks a process for each driver, which gRPC's own handlers can break
ENV GRPC_ENABLE_FORK_SUPPORT=0
USER 10001:10001
WORKDIR /tmp
VOLUME ["/tmp", "/var/lib/cryolattice"]
EXPOSE 6379 8080 8265 10001
STOPSIGNAL SIGTERM
CMD ["ray", "start", "--head", "--block", "--dashboard-host=0.0.0.0", "--metrics-export-port=8080"]
