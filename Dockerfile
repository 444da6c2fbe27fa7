# The image of Officina's programs, for amd64 and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 --tag officina:0.1.0 .
ARG PYTHON=python:3.13.7-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.txt requirements-node.txt ./
RUN python -m venv /opt/officina && /opt/officina/bin/pip install --quiet --require-hashes -r requirements.txt \
 && python -m venv /opt/node && /opt/node/bin/pip install --quiet --require-hashes -r requirements-node.txt
COPY . .
RUN /opt/node/bin/python -m api.pages.libraries
RUN /opt/officina/bin/pip install --quiet --no-deps --no-build-isolation . \
 && /opt/officina/bin/pip uninstall --quiet --yes pip \
 && python -m compileall -q -j 0 /opt/officina/lib

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Officina" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/officina/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 officina \
 && useradd --uid 10001 --gid officina --no-create-home --home-dir /var/lib/officina --shell /usr/sbin/nologin officina \
 && install -d -m 0777 /var/lib/officina
COPY --from=build /opt/officina /opt/officina
USER 10001:10001
WORKDIR /var/lib/officina
ENTRYPOINT ["officina"]
CMD ["--help"]
