import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { workbench, type Workbench } from '../support/workbench.ts'

/** So many files make a set, unless said otherwise: writing them takes long enough for a blow to fall in between. */
const FILES = 60
/** A value is its generation so many times: more than a page, so that a half-written one shows. */
const TIMES = 1000
const MODE = 0o640

/** A workbench whose set is plain files that all hold one generation. */
export interface VolumeBench extends AsyncDisposable {
  readonly bench: Workbench
  readonly status: string
  /** For an agent on this volume, beside the workbench's own. */
  readonly environment: Readonly<Record<string, string>>
  /** Rotates all values at once; a batch sees all of it or nothing. */
  next(): number
  /** One pass of `init` to its end, after which everything must be as it should be. */
  repair(): Promise<void>
  /** What is wrong with the volume, empty after a pass that ended; `generation` is what files must hold. */
  wrong(generation: number): readonly string[]
  /** Readers to end with the bench. */
  readonly readers: ChildProcess[]
}

export async function volumeBench({
  files = FILES,
  ...options
}: { readonly files?: number; readonly tokenTtlSeconds?: number } = {}): Promise<VolumeBench> {
  const bench = await workbench({ variables: files, ...options })
  const status = join(bench.directory, 'status')
  mkdirSync(status)
  const config = join(bench.directory, 'agent.json')
  const names = Array.from({ length: files }, (_, index) => `file-${index}`)
  const secrets = names.map((name, index) => ({ [name]: `apps/many/${index}` }))
  const group = { secrets, format: 'plain', path: '', permissions: 'rw-r-----' }
  writeFileSync(config, JSON.stringify({ groups: { many: group } }))
  const environment = {
    CONJUR_CONFIG_FILE: config,
    CONJUR_SECRETS__DB: '',
    CONJUR_SECRET_FILE_FORMAT__DB: '',
    CONJUR_STATUS_DIRECTORY: status,
    CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
  }
  const readers: ChildProcess[] = []
  let generation = 0
  const next = (): number => {
    generation++
    const value = `${generation},`.repeat(TIMES)
    for (let index = 0; index < files; index++) bench.conjur.setValue(`apps/many/${index}`, value)
    return generation
  }
  const wrong = (wanted: number): readonly string[] => {
    const text = `${wanted},`.repeat(TIMES)
    const top = readdirSync(bench.secrets)
    const sets = top.filter((name) => /^\.\.\d+$/.test(name))
    return [
      ...top.filter((name) => !names.includes(name) && name !== '..data' && !sets.includes(name)),
      ...(sets.length === 1 ? [] : sets),
      ...names.filter((name) => readFileSync(join(bench.secrets, name), 'utf8') !== text),
      ...readdirSync(status).filter((name) => name.startsWith('.')),
      ...readdirSync(join(bench.tokenFile, '..')).filter((name) => name !== 'access-token'),
    ]
  }
  next()
  return {
    bench,
    status,
    environment,
    next,
    wrong,
    async repair() {
      const agent = bench.start(['init'], environment)
      const { code } = await agent.ended
      if (code !== 0) throw new Error(`the next pass failed:\n${agent.output()}`)
    },
    readers,
    async [Symbol.asyncDispose]() {
      for (const reader of readers) reader.kill('SIGKILL')
      await bench[Symbol.asyncDispose]()
    },
  }
}

/** What a reader counted, and all that it saw of what must never be. */
export interface Readings {
  readonly seen: Readonly<Record<string, number>>
  readonly lost: readonly string[]
}

/** A reader at full speed. */
export interface Reader {
  readonly stop: () => Promise<Readings>
}

/** `under` is a command that runs what follows it, such as one that enters a mount namespace. */
export async function startReader(
  { bench, readers }: VolumeBench,
  under: readonly string[] = [],
): Promise<Reader> {
  const script = join(import.meta.dirname, 'reader.ts')
  const argv = [script, bench.secrets, bench.tokenFile, MODE.toString(8)]
  const reader = spawn('nice', [...under, process.execPath, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  readers.push(reader)
  let out = ''
  let err = ''
  reader.stdout.on('data', (more: Buffer) => {
    out += more.toString()
  })
  reader.stderr.on('data', (more: Buffer) => {
    err += more.toString()
  })
  const ended = once(reader, 'close')
  await once(reader.stdout, 'data')
  return {
    async stop() {
      reader.kill('SIGTERM')
      await ended
      expect(err).toBe('')
      return JSON.parse(out.slice(out.indexOf('{'))) as Readings
    },
  }
}
