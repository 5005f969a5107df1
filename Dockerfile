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
# The board listens on loopback unless the settings say that a proxy with authentication stands before it.
ENTRYPOINT ["baton"]
CMD ["run", "--config", "/etc/baton/baton.toml"]
