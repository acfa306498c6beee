import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Row } from './runner.ts'

/** What an image holds beyond its base: our JavaScript, and the engine that runs it. */
export function size(): readonly Row[] {
  const dist = join(import.meta.dirname, '../dist')
  const scripts = readdirSync(dist).filter((file) => file.endsWith('.js'))
  const bytes = scripts.reduce((sum, file) => sum + statSync(join(dist, file)).size, 0)
  const engine = statSync(process.execPath).size
  const mib = (count: number): number => Number((count / 1024 / 1024).toFixed(2))
  return [
    { what: 'all JavaScript', measured: mib(bytes), unit: 'MiB', atMost: 1.5 },
    { what: 'the engine, as a file', measured: mib(engine), unit: 'MiB' },
  ]
}
