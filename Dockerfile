# Builds the agent and lays it, with one Node binary, on a base that has neither shell nor package manager.
# `--target hibernate` adds one static shell, for agents that sleep between passes (docs/hibernate.md).
# `--target executable` holds one file and the C library instead, no Node (docs/executable.md).
ARG NODE_IMAGE=docker.io/library/node:26-slim
ARG BASE_IMAGE=gcr.io/distroless/nodejs26-debian12:nonroot
ARG LIBC_IMAGE=gcr.io/distroless/base-nossl-debian12:nonroot
ARG SHELL_IMAGE=docker.io/library/busybox:1.37-musl

FROM ${NODE_IMAGE} AS build
# Where a proxy with its own CA stands before the registry: a file of PEM certificates inside the build.
ARG NODE_EXTRA_CA_CERTS
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts
COPY tsconfig.json ./
COPY .config ./.config
COPY src ./src
RUN npm run build
# The base has no `env`: the command names its Node by path, and is found on the PATH by probes and people. From its
# first moment no signal opens an inspector.
RUN sed -i '1s|.*|#!/nodejs/bin/node --disable-sigusr1|' dist/main.js && chmod 0755 dist/main.js \
  && mkdir bin && ln -s /app/dist/main.js bin/conjur-agent
# The incumbent's helper scripts: without a shell, their first line names the program that does their work.
RUN for name in secrets-provided secrets-unchanged; do echo "#!/usr/local/bin/conjur-agent $name" >bin/conjur-$name.sh && chmod 0755 bin/conjur-$name.sh; done
# Compiled once here, so that no container compiles it again: it runs against a Conjur inside this step. What is
# compiled lies beside the program; every uid may read it, and none may write.
RUN mkdir dist/.compile-cache && chown 65532 dist/.compile-cache
USER 65532:65532
RUN node .config/warm.ts && chmod -R a+rX dist/.compile-cache

# One file under two names: it is whatever it is called, and it is called a shell and what counts its seconds.
FROM ${SHELL_IMAGE} AS shell
RUN mkdir /shell && cp /bin/busybox /shell/sh && ln -s sh /shell/sleep

FROM ${BASE_IMAGE} AS agent
WORKDIR /app
COPY --from=build --chown=0:0 /build/dist /app/dist
COPY --from=build --chown=0:0 /build/bin/ /usr/local/bin/
ENV PATH=/usr/local/bin:/nodejs/bin:/usr/bin:/bin
# Threads of the C library share one heap: each of its own would keep a megabyte. A buffer of a read stands outside
# that heap: inside, what is allocated after it would keep its room from being given back.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536
USER 65532:65532
ENTRYPOINT ["conjur-agent"]

# Compiled where the build runs, for the architecture that is asked for: npm fetches the engines of both by their lock file.
FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS compiled
ARG NODE_EXTRA_CA_CERTS
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts
COPY tsconfig.json ./
COPY .config ./.config
COPY src ./src
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm run build && node .config/executable/build.ts
ARG TARGETARCH
RUN arch=$(echo "$TARGETARCH" | sed 's/amd64/x64/') && mkdir bin \
  && { mv "dist/conjur-agent-linux-$arch" bin/conjur-agent 2>/dev/null || { test "$arch" = "$(node -p process.arch)" && mv dist/conjur-agent bin/; }; } \
  && for name in secrets-provided secrets-unchanged; do echo "#!/usr/local/bin/conjur-agent $name" >bin/conjur-$name.sh && chmod 0755 bin/conjur-$name.sh; done

FROM ${LIBC_IMAGE} AS executable
COPY --from=compiled --chown=0:0 /build/bin/ /usr/local/bin/
COPY --from=compiled --chown=0:0 /build/dist/sbom.cdx.json /build/dist/licences.txt /usr/share/doc/conjur-agent/
# Without the engine's compilers, which a program that works for milliseconds does not need, it rests in half the memory.
ENV PATH=/usr/local/bin:/usr/bin:/bin BUN_JSC_useJIT=0
USER 65532:65532
ENTRYPOINT ["conjur-agent"]

FROM agent AS hibernate
COPY --from=shell --chown=0:0 /shell/ /usr/local/bin/

FROM agent
