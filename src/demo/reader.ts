import { readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseRecord } from '../core/json.ts'

/** The files of one set as they must look: text by name, and of a JSON file its members. */
export type Generation = Readonly<Record<string, string | Readonly<Record<string, string>>>>

/** What a reader made of what it read. */
export type Finding = 'whole' | 'torn' | 'mixed'

/** What a reader has counted so far. */
interface Tally {
  readonly reads: number
  /** Reads with a file that never looked so in any set. */
  readonly torn: number
  /** Reads of good files that do not belong together. */
  readonly mixed: number
  /** Reads at which the access token was expired or was no token. */
  readonly expired: number
}

/** An application that reads the whole set again and again, as fast as it may. */
export interface Reader {
  /** One more set that may be seen from now on. */
  expect(generation: Generation): void
  tally(): Tally
  stop(): Promise<void>
}

/** Between two reads, so that the machine has time for the agent. */
const PAUSE_MS = 1

/** Starts to read the set by `..data`, and the access token beside it. */
export function startReader(directory: string, first: Generation): Reader {
  const generations: Generation[] = [first]
  const tally = { reads: 0, torn: 0, mixed: 0, expired: 0 }
  const stopped = new AbortController()
  const running = (async () => {
    while (!stopped.signal.aborted) {
      const [set, token] = await Promise.all([readSet(directory), readToken(directory)])
      if (set !== undefined) {
        tally.reads += 1
        const finding = judge(set, generations)
        if (finding !== 'whole') tally[finding] += 1
        if ((tokenExpiry(token) ?? 0) <= Date.now()) tally.expired += 1
      }
      await delay(PAUSE_MS)
    }
  })()
  return {
    expect: (generation) => void generations.push(generation),
    tally: () => ({ ...tally }),
    async stop() {
      stopped.abort()
      await running
    },
  }
}

/** Whether a set that was read is one of those that were ever published. */
export function judge(
  set: ReadonlyMap<string, string>,
  generations: readonly Generation[],
): Finding {
  const isGood = (name: string, generation: Generation): boolean =>
    looksLike(set.get(name), generation[name])
  for (const name of set.keys()) {
    if (!generations.some((generation) => isGood(name, generation))) return 'torn'
  }
  const isOneOf = generations.some((generation) =>
    [...new Set([...set.keys(), ...Object.keys(generation)])].every((name) =>
      isGood(name, generation),
    ),
  )
  return isOneOf ? 'whole' : 'mixed'
}

/** When a Conjur access token expires, in epoch milliseconds; undefined where the text is none. */
export function tokenExpiry(text: string): number | undefined {
  const payload = parseRecord(text)?.['payload']
  if (typeof payload !== 'string') return undefined
  const exp = parseRecord(Buffer.from(payload, 'base64').toString('utf8'))?.['exp']
  return typeof exp === 'number' ? exp * 1000 : undefined
}

/** The access token file beside the set, empty if there is none. */
export function readToken(directory: string): Promise<string> {
  return readFile(join(directory, 'access-token'), 'utf8').catch(() => '')
}

function looksLike(text: string | undefined, wanted: Generation[string] | undefined): boolean {
  if (text === undefined || wanted === undefined) return text === wanted
  if (typeof wanted === 'string') return text === wanted
  const record = parseRecord(text) ?? {}
  const names = Object.keys(wanted)
  return (
    Object.keys(record).length === names.length &&
    names.every((name) => record[name] === wanted[name])
  )
}

/** Opens `..data` once and reads below it; undefined where that set was replaced meanwhile. */
async function readSet(directory: string): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const current = join(directory, await readlink(join(directory, '..data')))
    const set = new Map<string, string>()
    for (const name of await readdir(current)) {
      set.set(name, await readFile(join(current, name), 'utf8'))
    }
    return set
  } catch {
    return undefined
  }
}
