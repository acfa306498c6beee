import { defineConfig, type Plugin } from 'rolldown'
import { trimKubernetesClient } from './kubernetes-client.ts'

/** Modules that packages load and that never run here. */
const UNUSED: readonly { readonly from: RegExp; readonly wanted: RegExp }[] = [
  // Lines are written by us, not by pino's worker threads, which cost milliseconds to get ready.
  { from: /\/pino\//, wanted: /^\.\/(lib\/)?transport$|^sonic-boom$/ },
  // SOCKS proxies of a kubeconfig, and its plugins for clouds that Kubernetes itself dropped in 1.26.
  { from: /\/client-node\//, wanted: /^socks(-proxy-agent)?$|^jsonpath-plus$/ },
  // An experimental parser, and the usual one for processors without SIMD: x64 and arm64 have it.
  { from: /\/undici\//, wanted: /\/milo\/(no-)?simd\.js$|\/llhttp-wasm\.js$/ },
]

const LEFT_OUT = `
module.exports = class { constructor() { throw new Error('this is left out of conjur-agent') } }
module.exports.JSONPath = module.exports.SocksClient = module.exports.SocksProxyAgent = module.exports
`

/** Puts a class that refuses to be made where a package asks for what is never used of it. */
const leaveOut: Plugin = {
  name: 'leave-out',
  resolveId(source, importer = '') {
    const found = UNUSED.find(({ from, wanted }) => from.test(importer) && wanted.test(source))
    return found === undefined ? null : '\0left-out'
  },
  load: (id) => (id === '\0left-out' ? LEFT_OUT : null),
}

/** What is used of undici, by us and by the Kubernetes client; its root brings mocks, caches and web sockets along. */
const UNDICI = `
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import api from 'undici/lib/api/index.js'
Object.assign(Dispatcher.prototype, api)
export { default as Agent } from 'undici/lib/dispatcher/agent.js'
export { default as ProxyAgent } from 'undici/lib/dispatcher/proxy-agent.js'
export { fetch } from 'undici/lib/web/fetch/index.js'
`

/** The Kubernetes client reads its kubeconfig with the YAML parser that we have anyway. */
const YAML = `export { parse as load, parseAllDocuments as loadAll, stringify as dump } from 'yaml'`

const IN_PART: ReadonlyMap<string, string> = new Map([
  ['undici', UNDICI],
  ['js-yaml', YAML],
])

const inPart: Plugin = {
  name: 'in-part',
  resolveId: (source) => (IN_PART.has(source) ? `\0${source}` : null),
  load: (id) => IN_PART.get(id.slice(1)) ?? null,
}

/** The package is ESM, what is built is CommonJS: a pod waits for it to load. */
const asCommonJs: Plugin = {
  name: 'as-commonjs',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'package.json', source: '{"type":"commonjs"}\n' })
  },
}

export default defineConfig({
  // The program, and what `conjur-agent/devserver` exports.
  input: { main: 'src/main.ts', 'devserver-api': 'src/devserver/server.ts' },
  platform: 'node',
  // The Kubernetes client says nothing of side effects; its modules have none, and most are not used.
  treeshake: { moduleSideEffects: (id) => !id.includes('/@kubernetes/client-node/') },
  // `fsevents` is chokidar's optional native helper on macOS; it is looked up at run time there.
  external: ['fsevents'],
  plugins: [leaveOut, inPart, trimKubernetesClient(), asCommonJs],
  output: {
    dir: 'dist',
    format: 'cjs',
    cleanDir: true,
    entryFileNames: '[name].js',
    // A wing's chunk is named for its room: src/devserver/start.ts → devserver.js.
    chunkFileNames: ({ facadeModuleId }) => {
      const room = /src\/(\w+)\/start\.ts$/.exec(facadeModuleId ?? '')?.[1]
      return room === undefined ? '[name].js' : `${room}.js`
    },
    // Classes keep their names: an error is called by that of its own.
    minify: {
      mangle: { keepNames: { class: true, function: false } },
      compress: { keepNames: { class: true, function: false } },
    },
    banner: (chunk) => (chunk.name === 'main' ? '#!/usr/bin/env node' : ''),
  },
})
