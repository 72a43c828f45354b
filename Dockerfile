# kmsd in a small image: the program, certificates, and a shell for the init service of
# docker-compose.yml. Nothing secret is in it.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --bin kmsd

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/kmsd kmsd \
    && install -d -o kmsd -g kmsd -m 0700 /var/lib/kmsd
COPY --from=build /src/target/release/kmsd /usr/local/bin/kmsd
USER kmsd
WORKDIR /var/lib/kmsd
ENV KMSD_DATA_DIR=/var/lib/kmsd
VOLUME /var/lib/kmsd
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=6s --start-period=20s CMD ["kmsd", "health"]
ENTRYPOINT ["kmsd"]
