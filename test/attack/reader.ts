/*
 * Reads a secrets directory and an access token file at full speed until SIGTERM, and counts what it
 * saw at each level; what must never be seen it counts too, and says in `lost` what the first of it
 * was. The first set must be there when it starts.
 *
 *   node reader.ts DIRECTORY TOKEN-FILE MODE
 *
 * Every file holds one generation many times over: `7,7,7,…`.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

const [directory = '', tokenFile = '', mode = ''] = process.argv.slice(2)
const wantedMode = Number.parseInt(mode, 8)
const names = readdirSync(directory).filter((name) => !name.startsWith('..'))
const seen = { files: 0, sets: 0, directories: 0, tokens: 0, 'sets begun anew': 0 }
const generations = new Set<string>()
const lost: string[] = []
const end = new AbortController()
process.on('SIGTERM', () => end.abort())
process.stdout.write('reading\n')

for (let round = 0; !end.signal.aborted; round++) {
  look(() => readFile(names[round % names.length] ?? ''))
  if (round % 4 === 0) look(readSet)
  if (round % 8 === 0) look(readDirectory)
  if (round % 4 === 2) look(readToken)
  if (round % 16 === 0) await setImmediate()
}
process.stdout.write(JSON.stringify({ seen: { ...seen, generations: generations.size }, lost }))

function look(at: () => void): void {
  try {
    at()
  } catch (error) {
    lost.push(error instanceof Error ? error.message : String(error))
  }
}

/** One name, as any program opens it: always there, whole, and no wider than asked. */
function readFile(name: string): void {
  wholeGeneration(name, readFileSync(join(directory, name), 'utf8'))
  demandMode(name, statSync(join(directory, name)).mode)
  seen.files++
}

/** Several files of one set: below the directory that `..data` led to, anew if that has gone meanwhile. */
function readSet(): void {
  const set = join(directory, readlinkSync(join(directory, '..data')))
  const held = new Set<string>()
  for (const name of names) {
    const text = readUnlessGone(join(set, name))
    if (text === undefined) {
      seen['sets begun anew']++
      return
    }
    held.add(wholeGeneration(name, text))
  }
  if (held.size !== 1) throw new Error(`a mixed set: ${[...held].join(' and ')}`)
  for (const generation of held) generations.add(generation)
  seen.sets++
}

/** The listing: every name of the set, nothing else but what begins with two dots. */
function readDirectory(): void {
  const listed = readdirSync(directory)
    .filter((name) => !name.startsWith('..'))
    .toSorted()
  if (listed.join() !== names.toSorted().join()) throw new Error(`a listing of ${listed.join()}`)
  for (const name of listed) {
    if (!lstatSync(join(directory, name)).isSymbolicLink()) throw new Error(`${name} is no link`)
  }
  seen.directories++
}

function readToken(): void {
  const text = readUnlessGone(tokenFile)
  if (text === undefined) throw new Error('no access token file')
  const { payload } = JSON.parse(text) as Record<string, unknown>
  if (typeof payload !== 'string') throw new Error('half an access token')
  seen.tokens++
}

function readUnlessGone(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function wholeGeneration(name: string, text: string): string {
  const [generation = ''] = text.split(',', 1)
  if (generation === '' || text !== `${generation},`.repeat(text.length / (generation.length + 1)))
    throw new Error(`${name} is torn: ${text.length} bytes that begin with ${text.slice(0, 20)}`)
  return generation
}

function demandMode(name: string, found: number): void {
  if ((found & 0o7777 & ~wantedMode) !== 0)
    throw new Error(`${name} has mode ${(found & 0o7777).toString(8)}`)
}
