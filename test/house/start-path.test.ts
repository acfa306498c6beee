import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const dist = join(import.meta.dirname, '../../dist')

/** The chunks that a chunk loads at once, itself included: `const a=require(…)`; an `import()` becomes a require in a function. */
function closure(entry: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(entry)) return seen
  seen.add(entry)
  const text = readFileSync(join(dist, entry), 'utf8')
  const statics = text.matchAll(/[\w$]=require\([`"']\.\/([\w.-]+\.js)[`"']\)/g)
  for (const [, chunk = ''] of statics) closure(chunk, seen)
  return seen
}

function bytesOf(chunks: Iterable<string>): number {
  return [...chunks].reduce((sum, chunk) => sum + statSync(join(dist, chunk)).size, 0)
}

test('the front door loads nothing but the command line', () => {
  expect(bytesOf(closure('main.js'))).toBeLessThan(32 * 1024)
})

test('the way to the first secret is short, in files and in bytes', () => {
  const chunks = closure('agent.js')

  expect(chunks.size).toBeLessThan(16)
  expect(bytesOf(chunks)).toBeLessThan(320 * 1024)
})

test('the way to the first secret loads neither Kubernetes’ client nor another wing, a watcher, YAML or a second HTTP client', () => {
  const chunks = [...closure('agent.js')]
  const text = chunks.map((chunk) => readFileSync(join(dist, chunk), 'utf8')).join('\n')

  expect(
    chunks.filter((chunk) => /^(devserver|injector|doctor|demo|watch)\.js$/.test(chunk)),
  ).toEqual([])
  // Names that only those packages hold, and modules of Node that cost milliseconds.
  const names = ['KubeConfig', 'FSWatcher', 'parseAllDocuments', 'AdmissionReview', 'ProxyAgent']
  const found = [...names, 'assert'].filter((name) =>
    new RegExp(`class ${name}\\b|require\\(.(node:)?${name}.\\)`).test(text),
  )
  expect(found).toEqual([])
})

test('all that is built is at most 1.6 MiB', () => {
  const chunks = readdirSync(dist).filter((file) => file.endsWith('.js'))

  expect(bytesOf(chunks)).toBeLessThan(1.6 * 1024 * 1024)
})
