import { ConjurError, type AgentError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import { isRecord, parseRecord } from '../core/json.ts'
import { Secret } from '../core/secret.ts'
import { authorization, type AccessToken } from './access-token.ts'
import {
  batchUrl,
  fitsBatch,
  resourceId,
  splitBatches,
  variableUrl,
  whoamiUrl,
  type Place,
} from './address.ts'
import { conjurCode, noReply, unexpectedReply, type Asked } from './refusal.ts'

export interface RetrieveOptions {
  readonly send: Send
  /** Where values are read. */
  readonly place: Place
  readonly timeoutMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * What the server said of one variable. `missing` and `forbidden` are Conjur's own typed answers to
 * a read of that very variable; every other answer is a `failed`, which proves nothing (P4).
 */
export type Outcome =
  | { readonly kind: 'value'; readonly value: Secret }
  | { readonly kind: 'missing' }
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'failed'; readonly error: AgentError }

const LARGEST_REPLY = 64 * 1024 * 1024

/**
 * Reads variables in as few requests as the request line allows; what a batch cannot carry, or
 * refuses, is read singly. `variableIds` hold each id once.
 *
 * Rejects where nothing can be said of any variable: the server is away, or refuses the token
 * (CONJUR_UNAUTHENTICATED).
 */
export async function retrieve(
  options: RetrieveOptions,
  token: AccessToken,
  { variableIds, signal }: { variableIds: readonly string[]; signal: AbortSignal },
): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const get = getter(options, token, signal)
  const batches = splitBatches(
    options.place,
    variableIds.filter((id) => fitsBatch(id)),
  )
  for (const batch of batches) await readBatch(batch, { options, get, outcomes })
  for (const id of variableIds.filter((id) => !fitsBatch(id))) {
    outcomes.set(id, await readOne(id, { options, get }))
  }
  return outcomes
}

/**
 * Whether a Conjur answers at this place and takes this token: it says whose token it is. A proxy
 * or another service that answers in its stead does not.
 */
export async function isConjur(
  options: RetrieveOptions,
  token: AccessToken,
  signal: AbortSignal,
): Promise<boolean> {
  const get = getter(options, token, signal)
  const reply = await get(whoamiUrl(options.place), 'whoami')
  const said = reply.status === 200 ? parseRecord(reply.body.toString('utf8')) : undefined
  return said?.['account'] === options.place.account && said['username'] === token.login
}

type Get = (url: URL, what: string) => Promise<HttpReply>

interface Reading {
  readonly options: RetrieveOptions
  readonly get: Get
}

async function readBatch(ids: readonly string[], reading: BatchReading): Promise<void> {
  const { options, outcomes } = reading
  const [first] = ids
  if (first === undefined) return
  if (ids.length === 1) {
    outcomes.set(first, await readOne(first, reading))
    return
  }
  const reply = await getBatch(ids, reading)
  if (reply === 'too long') return readHalves(ids, reading)
  if (reply.status === 200) {
    const values = readBatchReply(reply, options.place, ids)
    if (values === undefined)
      throw unexpectedReply(reply, askedFor(options, `${ids.length} variables`))
    for (const [id, value] of values) outcomes.set(id, { kind: 'value', value })
    // An answer that leaves some out says nothing of those: each is asked for by itself.
    for (const id of ids.filter((id) => !values.has(id)))
      outcomes.set(id, await readOne(id, reading))
    return
  }
  if (reply.status === 429 || reply.status >= 500) {
    throw unexpectedReply(reply, askedFor(options, `${ids.length} variables`))
  }
  const named = reply.status === 404 ? namedIn(reply, options.place, ids) : undefined
  if (named !== undefined) {
    outcomes.set(named, await readOne(named, reading))
    return readBatch(
      ids.filter((id) => id !== named),
      reading,
    )
  }
  // Refused as a whole without saying for whose sake: halves find it in few requests.
  return readHalves(ids, reading)
}

type BatchReading = Reading & { readonly outcomes: Map<string, Outcome> }

async function readHalves(ids: readonly string[], reading: BatchReading): Promise<void> {
  const middle = Math.ceil(ids.length / 2)
  await readBatch(ids.slice(0, middle), reading)
  await readBatch(ids.slice(middle), reading)
}

/** The reply to a batch; values that are too long together are not too long apart. */
async function getBatch(
  ids: readonly string[],
  { options, get }: Reading,
): Promise<HttpReply | 'too long'> {
  try {
    return await get(batchUrl(options.place, ids), `${ids.length} variables`)
  } catch (error) {
    const isTooLong = error instanceof ConjurError && error.facts['kind'] === 'too-large'
    if (isTooLong) return 'too long'
    throw error
  }
}

/** The values of a batch reply by variable id; undefined if it is no such reply. */
export function readBatchReply(
  reply: HttpReply,
  place: Place,
  ids: readonly string[],
): ReadonlyMap<string, Secret> | undefined {
  const record = parseRecord(reply.body.toString('utf8'))
  if (record === undefined) return undefined
  const encoded = reply.headers['content-encoding']?.toLowerCase() === 'base64'
  const values = new Map<string, Secret>()
  for (const id of ids) {
    const value = record[resourceId(place.account, id)]
    if (value === undefined) continue
    if (typeof value !== 'string') return undefined
    values.set(id, new Secret(encoded ? Buffer.from(value, 'base64') : value))
  }
  // An object with none of them, such as `{}`, is another service's: its next answer would pass for a value.
  return values.size > 0 ? values : undefined
}

async function readOne(id: string, { options, get }: Reading): Promise<Outcome> {
  const reply = await get(variableUrl(options.place, id), `variable ${id}`)
  const outcome = readVariableReply(reply)
  const isOfAnother = outcome?.kind === 'missing' && namesAnother(reply, options.place, id)
  if (outcome !== undefined && !isOfAnother) return outcome
  const error = unexpectedReply(reply, askedFor(options, `variable ${id}`))
  if (error.code === 'CONJUR_UNAVAILABLE') throw error
  return { kind: 'failed', error }
}

/** What a reply to the read of one variable says of it; undefined if it is not Conjur's answer. */
export function readVariableReply(reply: HttpReply): Outcome | undefined {
  const type = reply.headers['content-type'] ?? ''
  // Conjur sends a value as it is: what came packed was packed by a proxy, and is not the value.
  if ((reply.headers['content-encoding'] ?? 'identity') !== 'identity') return undefined
  // A 200 with a page is a portal's or a proxy's; Conjur types what it does not know as bytes.
  if (reply.status === 200 && !type.startsWith('text/html')) {
    return { kind: 'value', value: new Secret(reply.body) }
  }
  if (reply.status === 404 && type.includes('json') && conjurCode(reply) === 'CONJ00076E') {
    return { kind: 'missing' }
  }
  if (reply.status === 403 && reply.body.length === 0) return { kind: 'forbidden' }
  return undefined
}

function getter(options: RetrieveOptions, token: AccessToken, signal: AbortSignal): Get {
  const headers = { Authorization: authorization(token), 'Accept-Encoding': 'base64' }
  return async (url, what) => {
    const asked = askedFor(options, what)
    let reply: HttpReply
    try {
      reply = await options.send({
        method: 'GET',
        url,
        headers,
        deadlineMs: options.timeoutMs,
        maxBodyBytes: LARGEST_REPLY,
        signal,
      })
    } catch (error) {
      throw noReply(error, asked)
    }
    if (reply.status !== 401) return reply
    throw new ConjurError(
      'CONJUR_UNAUTHENTICATED',
      `Conjur refuses the access token for ${what} (401)`,
      {
        hint: 'a new one is fetched; if this stays, CONJUR_AUTHN_URL and CONJUR_APPLIANCE_URL name different servers',
        retryable: true,
        facts: { host: reply.from ?? asked.host, status: 401 },
      },
    )
  }
}

/** Whether a 404 is about another variable than was asked for, as of a cache that mixes answers up: it says nothing of this one. */
function namesAnother(reply: HttpReply, place: Place, id: string): boolean {
  const missing = missingResource(reply)
  return missing !== undefined && missing !== resourceId(place.account, id)
}

/** The id that Conjur's 404 of a batch names, if it is one of those asked for. */
function namedIn(reply: HttpReply, place: Place, ids: readonly string[]): string | undefined {
  const missing = missingResource(reply)
  return ids.find((id) => resourceId(place.account, id) === missing)
}

/** The resource that a 404 of Conjur calls missing. */
function missingResource(reply: HttpReply): string | undefined {
  const error = parseRecord(reply.body.toString('utf8'))?.['error']
  if (!isRecord(error) || typeof error['message'] !== 'string') return undefined
  return /^CONJ00076E Variable (.+) is empty or not found\.$/s.exec(error['message'])?.[1]
}

function askedFor(options: RetrieveOptions, what: string): Asked {
  return { what, host: options.place.applianceUrl.host, now: options.now() }
}
