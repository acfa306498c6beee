import { defineConfig } from 'rolldown'

export default defineConfig({
  // The program, and what `conjur-agent/devserver` exports.
  input: { main: 'src/main.ts', 'devserver-api': 'src/devserver/server.ts' },
  platform: 'node',
  // The Kubernetes client says nothing of side effects; its modules have none, and most are not used.
  treeshake: { moduleSideEffects: (id) => !id.includes('/@kubernetes/client-node/') },
  // `fsevents` is chokidar's optional native helper on macOS; it is looked up at run time there.
  external: ['fsevents'],
  output: {
    dir: 'dist',
    format: 'esm',
    cleanDir: true,
    entryFileNames: '[name].js',
    // A wing's chunk is named for its room: src/devserver/start.ts → devserver.js.
    chunkFileNames: ({ facadeModuleId }) => {
      const room = /src\/(\w+)\/start\.ts$/.exec(facadeModuleId ?? '')?.[1]
      return room === undefined ? '[name].js' : `${room}.js`
    },
    minify: 'dce-only',
    banner: (chunk) => (chunk.name === 'main' ? '#!/usr/bin/env node' : ''),
  },
})
