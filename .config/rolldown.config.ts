import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig, type Plugin } from 'rolldown'
import { trimKubernetesClient } from './kubernetes-client.ts'

/** Modules that packages load and that never run here. */
const UNUSED: readonly { readonly from: RegExp; readonly wanted: RegExp }[] = [
  // Lines are written by us, not by pino's worker threads, which cost milliseconds to get ready.
  {
    from: /\/pino\//,
    wanted: /^\.\/(lib\/)?transport$|^sonic-boom$|^(node:)?(worker_threads|diagnostics_channel)$/,
  },
  // SOCKS proxies of a kubeconfig, and its plugins for clouds that Kubernetes itself dropped in 1.26.
  { from: /\/client-node\//, wanted: /^socks(-proxy-agent)?$|^jsonpath-plus$/ },
  // An experimental parser, and the usual one with SIMD, which Bun refuses where a (virtual) processor has no AVX.
  { from: /\/undici\//, wanted: /\/milo\/(no-)?simd\.js$|\/llhttp_simd-wasm\.js$/ },
]

/** A class that cannot be made, with the names under which others ask for it; of threads, that this is the main one; of traces, that nobody listens. */
const LEFT_OUT = `
module.exports = class { constructor() { throw new Error('this is left out of conjur-agent') } }
module.exports.isMainThread = true
module.exports.tracingChannel = () => ({ hasSubscribers: false })
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
export { default as Pool } from 'undici/lib/dispatcher/pool.js'
export { default as ProxyAgent } from 'undici/lib/dispatcher/proxy-agent.js'
export { default as buildConnector } from 'undici/lib/core/connect.js'
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

/** A text with one character beyond ASCII takes twice the memory, and its reader twice the time. */
const asAscii: Plugin = {
  name: 'as-ascii',
  renderChunk: (code) => ({ code: escaped(code) }),
  generateBundle(_, bundle) {
    // What the minifier turned back.
    for (const file of Object.values(bundle)) {
      if (file.type === 'chunk') file.code = escaped(file.code)
    }
  },
}

function escaped(code: string): string {
  return code.replaceAll(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The file that is started, with the digests of those behind it: see door.cjs. */
const door: Plugin = {
  name: 'door',
  generateBundle(_, bundle) {
    const digests = Object.values(bundle)
      .filter((file) => file.type === 'chunk')
      .map(({ fileName, code }) => {
        const digest = createHash('sha256').update(code).digest('base64url').slice(0, 16)
        return `'./${fileName}':'${digest}'`
      })
    const source = readFileSync('.config/door.cjs', 'utf8')
      .replace("__DIGESTS__: ''", digests.join())
      .replaceAll(/^\s*\/\/.*\n/gm, '')
    this.emitFile({ type: 'asset', fileName: 'main.js', source })
  },
}

/** Modules by the file they are built into, where that is not for rolldown to say. */
const files = { front: new Set<string>(), agent: new Set<string>() }

/**
 * Each file that a pod opens before its first secret costs it half a millisecond: the front door is
 * one, the way to the first secret another. What a probe and other brief commands need of the latter
 * stands in the front door.
 */
const fewFiles: Plugin = {
  name: 'few-files',
  buildEnd() {
    const reach = (id: string, seen: Set<string>): Set<string> => {
      if (seen.has(id)) return seen
      seen.add(id)
      for (const next of this.getModuleInfo(id)?.importedIds ?? []) reach(next, seen)
      return seen
    }
    const [front, agent, ...brief] = [
      'main.ts',
      'agent/start.ts',
      'cli/status.ts',
      'cli/helper-scripts.ts',
      'cli/help.ts',
    ].map((file) => reach(resolve('src', file), new Set()))
    const shared = brief.flatMap((ids) => [...ids].filter((id) => agent?.has(id)))
    files.front = new Set([...(front ?? []), ...shared])
    files.agent = agent?.difference(files.front) ?? new Set()
  },
}

export default defineConfig({
  // The program, and what `conjur-agent/devserver` exports.
  input: { front: 'src/main.ts', 'devserver-api': 'src/devserver/server.ts' },
  platform: 'node',
  resolve: { mainFields: ['module', 'main'] },
  // The Kubernetes client says nothing of side effects; its modules have none, and most are not used.
  treeshake: { moduleSideEffects: (id) => !/\/@kubernetes\/client-node\/|\/@peculiar\//.test(id) },
  // `fsevents` is chokidar's optional native helper on macOS; it is looked up at run time there.
  external: ['fsevents'],
  // Which wing loads the Kubernetes client late is settled here; nobody who builds has to wonder.
  onLog(level, log, handler) {
    if (log.code !== 'INEFFECTIVE_DYNAMIC_IMPORT') handler(level, log)
  },
  plugins: [leaveOut, inPart, trimKubernetesClient(), fewFiles, asCommonJs, asAscii, door],
  output: {
    dir: 'dist',
    format: 'cjs',
    cleanDir: true,
    dynamicImportInCjs: false,
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
    codeSplitting: {
      groups: [
        { name: 'front', test: (id) => files.front.has(id), priority: 2 },
        { name: 'agent', test: (id) => files.agent.has(id), priority: 1 },
      ],
    },
  },
})
