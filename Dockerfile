# The same files as `npm run image` puts into an image, for those who have Docker: by that command's own steps.
FROM node:24-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY rolldown.config.ts tsconfig.json ./
COPY src ./src
RUN node src/image/main.ts --files /image

FROM scratch
COPY --from=build /image /
# Each arena of glibc keeps what was freed in it, and one thread does most: one arena holds less. What V8 compiles with is taken in pieces of 32 KiB: as
# maps of their own they are given back, 14 MiB after the start.
ENV PATH=/usr/local/bin NODE_ENV=production MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /app
USER 65532:65532
# A look at all grants makes garbage, for which Node would keep room ever after: a small young generation holds a third less.
CMD ["node", "--max-semi-space-size=4", "dist/main.js"]
