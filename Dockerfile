# syntax=docker/dockerfile:1
# Treaty's program and nothing else: no database, no key, no password. What a container does is in packaging/docker/treaty-node.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked --package treaty --bin treaty \
    && install -D -m 0755 target/release/treaty /built/treaty

FROM debian:bookworm-slim
# bash runs the scripts below; ca-certificates are for TLS to a PostgreSQL server; sqlite3 is for people who look into a SQLite node.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash ca-certificates sqlite3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin treaty \
    && install -d -m 0700 -o treaty -g treaty /data \
    && install -d -m 0755 -o treaty -g treaty /exchange
COPY --from=build /built/treaty /usr/local/bin/treaty
COPY packaging/docker/treaty-node packaging/docker/treaty-healthy /usr/local/bin/
COPY LICENSE-MIT LICENSE-APACHE /usr/local/share/doc/treaty/
USER treaty
WORKDIR /data
ENV TREATY_DATA=/data/treaty
VOLUME /data
EXPOSE 4433/udp
ENTRYPOINT ["treaty-node"]
CMD ["--help"]
