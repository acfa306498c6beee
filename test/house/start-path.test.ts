import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const dist = join(import.meta.dirname, '../../dist')

/** The chunks that a chunk loads at once, itself included: `const a=require(…)`; an `import()` becomes a require in a function. */
function closure(entry: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(entry)) return seen
  seen.add(entry)
  const statics = textOf(entry).matchAll(/(?:^|[=;,])require\([`"']\.\/([\w.-]+\.js)[`"']\)/g)
  for (const [, chunk = ''] of statics) closure(chunk, seen)
  return seen
}

function textOf(chunk: string): string {
  return readFileSync(join(dist, chunk), 'utf8')
}

/** Node’s own modules that a chunk loads at once. */
function builtins(chunk: string): readonly string[] {
  const found = textOf(chunk).matchAll(/(?:^|[=;,])require\([`"'](?:node:)?([a-z_/]+)[`"']\)/g)
  return [...new Set([...found].map(([, name = '']) => name))].toSorted()
}

function bytesOf(chunks: Iterable<string>): number {
  return [...chunks].reduce((sum, chunk) => sum + statSync(join(dist, chunk)).size, 0)
}

test('the front door loads nothing but the command line', () => {
  const chunks = closure('front.js')

  expect([...chunks]).toEqual(['front.js'])
  expect(builtins('front.js')).toEqual(['fs', 'util'])
  expect(bytesOf(chunks)).toBeLessThan(18 * 1024)
})

test('a probe loads neither the agent nor the network', () => {
  const chunks = [...closure('status.js')]

  expect(chunks).not.toContain('agent.js')
  expect(bytesOf(chunks)).toBeLessThan(28 * 1024)
  expect(chunks.flatMap((chunk) => builtins(chunk))).not.toContain('https')
})

test('the helper scripts and the help load no agent either', () => {
  expect([...closure('helper-scripts.js')].toSorted()).toEqual(['front.js', 'helper-scripts.js'])
  expect([...closure('help.js')].toSorted()).toEqual([
    'error-entries.js',
    'front.js',
    'help.js',
    'layout.js',
  ])
})

test('the way to the first secret is one file behind the front door', () => {
  const chunks = closure('agent.js')

  expect([...chunks].toSorted()).toEqual(['agent.js', 'front.js', 'rolldown-runtime.js'])
  expect(bytesOf(chunks)).toBeLessThan(300 * 1024)
})

test('the way to the first secret loads of Node what it needs: no promises of files, no threads, no processes', () => {
  expect(builtins('agent.js')).toEqual([
    'buffer',
    'crypto',
    'events',
    'fs',
    'http',
    'https',
    'net',
    'os',
    'path',
    'timers/promises',
    'tls',
    'util',
  ])
})

test('the way to the first secret holds neither Kubernetes’ client nor another wing, a watcher, YAML or a second HTTP client', () => {
  const text = textOf('agent.js')

  // Names that only those packages hold.
  const names = ['KubeConfig', 'FSWatcher', 'parseAllDocuments', 'AdmissionReview', 'ProxyAgent']
  expect(names.filter((name) => new RegExp(`class ${name}\\b`).test(text))).toEqual([])
})

test('what is built is ASCII: its reader takes half the memory', () => {
  const chunks = readdirSync(dist).filter((file) => file.endsWith('.js'))

  expect(chunks.length).toBeGreaterThan(20)
  expect(chunks.filter((chunk) => /[^\0-\x7f]/.test(textOf(chunk)))).toEqual([])
})

test('all that is built is less than 1.5 MiB', () => {
  const chunks = readdirSync(dist).filter((file) => file.endsWith('.js'))

  expect(bytesOf(chunks)).toBeLessThan(1.5 * 1024 * 1024)
})
