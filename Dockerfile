# A static binary on an empty base: nothing to patch, and no shell to break into.
#
#   docker build --build-arg VERSION="$(git describe --tags --always --dirty)" --tag authzd .
#   docker run --rm --volume authzd-data:/data authzd init --domain id.example.com
#   docker run --publish 9010:9010 --volume authzd-data:/data authzd

FROM golang:1.26-bookworm AS build
# The toolchain line of go.mod: the image's own release may be older, or newer than what was tested.
ENV GOTOOLCHAIN=go1.26.11
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What "authzd version" says, since the build sees no git history.
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X github.com/authzd/authzd/version.stamped=$VERSION" -o /image/usr/local/bin/authzd ./cmd/authzd
RUN install -D /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && install -d -m 1777 /image/tmp \
 && install -d -m 0700 /data

FROM scratch
LABEL org.opencontainers.image.title="authzd" \
      org.opencontainers.image.description="OAuth 2.1 and OpenID Connect server" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 9010
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s CMD ["authzd", "healthcheck"]
ENTRYPOINT ["authzd"]
CMD ["serve"]
