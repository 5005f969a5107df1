# Two stages: a compiler, and what runs. The time zones' rules are in the binary; the platform's certificates are not.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY config config
COPY benches benches
RUN cargo build --release --locked --bin baton

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home /var/lib/baton --create-home baton
COPY --from=build /src/target/release/baton /usr/local/bin/baton
USER baton
WORKDIR /var/lib/baton
# The settings are mounted read-only at /etc/baton, so the store is named here; keep this folder on a volume.
ENV BATON__STORE__URL=sqlite:///var/lib/baton/baton.db
VOLUME /var/lib/baton
# The board listens on the container's own loopback. To reach it from outside, put a proxy with TLS before it, users into the settings, and
# set BATON__SERVER__LISTEN=0.0.0.0:8686 and BATON__SERVER__BEHIND_PROXY=true.
ENTRYPOINT ["baton"]
CMD ["run", "--config", "/etc/baton/baton.toml"]
