# SPDX-License-Identifier: Apache-2.0
#
# The image: static binaries and nothing else. `make image` builds it with docker, podman or buildah.
# BASE is Debian 12 or 13; none of its files are in the image.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY hack/deps.sh hack/deps.sh
RUN hack/deps.sh build
COPY . .
ARG REVISION=
ARG REVISION_DATE=
# nodeprep-sim is for tests and the demo alone. Times are set, so that two builds give the same image.
RUN make B=/build /build/nodeprep /build/nodeprep-hookd \
	&& mkdir /image \
	&& install -m 0755 /build/nodeprep /build/nodeprep-hookd /image/ \
	&& touch -d @0 /image /image/*

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="nodeprep" \
	org.opencontainers.image.description="Prepares and checks GPU worker nodes of vSphere Kubernetes clusters" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.url="https://nodeprep.dev" \
	org.opencontainers.image.documentation="https://nodeprep.dev/docs" \
	org.opencontainers.image.vendor="nodeprep" \
	org.opencontainers.image.created="${CREATED}" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/nodeprep"]
