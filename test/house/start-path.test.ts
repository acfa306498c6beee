import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const dist = join(import.meta.dirname, '../../dist')

/** The chunks that a chunk loads at once, itself included. */
function closure(entry: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(entry)) return seen
  seen.add(entry)
  const text = readFileSync(join(dist, entry), 'utf8')
  const statics = /^(?:import|export)\b[^;\n]*?["']\.\/([\w.-]+\.js)["']/gm
  for (const [, chunk = ''] of text.matchAll(statics)) closure(chunk, seen)
  return seen
}

test('the front door loads nothing but the command line', () => {
  const bytes = [...closure('main.js')].reduce(
    (sum, chunk) => sum + readFileSync(join(dist, chunk)).length,
    0,
  )

  expect(bytes).toBeLessThan(32 * 1024)
})

test('the way to the first secret loads neither Kubernetes’ client nor another wing, a watcher or YAML', () => {
  const chunks = [...closure('agent.js')]
  const text = chunks.map((chunk) => readFileSync(join(dist, chunk), 'utf8')).join('\n')

  expect(
    chunks.filter((chunk) => /^(devserver|injector|doctor|demo|watch)\.js$/.test(chunk)),
  ).toEqual([])
  // Names that only those packages hold.
  expect(text).not.toMatch(/class KubeConfig|FSWatcher|parseAllDocuments|AdmissionReview/)
})
