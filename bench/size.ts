import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { EXECUTABLE } from './program.ts'
import type { Row } from './runner.ts'

/** What an image holds beyond its base: our JavaScript, what is compiled of it, and the engine that runs it; or the executable alone. */
export function size(): readonly Row[] {
  const dist = join(import.meta.dirname, '../dist')
  const scripts = readdirSync(dist).filter((file) => file.endsWith('.js'))
  const bytes = scripts.reduce((sum, file) => sum + statSync(join(dist, file)).size, 0)
  const engine = statSync(process.execPath).size
  const cache = join(dist, '.compile-cache')
  const compiled = existsSync(cache)
    ? readdirSync(cache, { recursive: true, withFileTypes: true })
        .filter((file) => file.isFile())
        .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0)
    : 0
  const mib = (count: number): number => Number((count / 1024 / 1024).toFixed(2))
  return [
    { what: 'all JavaScript', measured: mib(bytes), unit: 'MiB', atMost: 1.5 },
    { what: 'what is compiled of it', measured: mib(compiled), unit: 'MiB' },
    { what: 'the engine, as a file', measured: mib(engine), unit: 'MiB' },
    {
      what: 'both together',
      measured: Number(((bytes + compiled) / engine).toFixed(3)),
      unit: '× the engine',
    },
    ...(existsSync(EXECUTABLE)
      ? [{ what: 'the executable', measured: mib(statSync(EXECUTABLE).size), unit: 'MiB' }]
      : []),
  ]
}
