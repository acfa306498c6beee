import type { HttpReply } from '../core/http.ts'
import { isRecord } from '../core/json.ts'
import { authorization, type AccessToken } from './access-token.ts'
import { resourcesUrl } from './address.ts'
import { noReply, unexpectedReply } from './refusal.ts'
import type { RetrieveOptions } from './retrieve.ts'

/** What a server gives at most in one answer, unless it is set otherwise. */
const PAGE = 1000
const LARGEST_REPLY = 64 * 1024 * 1024

/** A variable as the list shows it. */
export interface ListedVariable {
  readonly id: string
  /** Epoch milliseconds at which its newest value ends, where Conjur says so. */
  readonly expiresAt: number | undefined
}

/**
 * All variables that the token's role can see, sorted by id; seeing one is not yet reading it.
 *
 * Rejects with a ConjurError where the list cannot be had whole.
 */
export async function listVariables(
  options: RetrieveOptions,
  token: AccessToken,
  signal: AbortSignal,
): Promise<readonly ListedVariable[]> {
  const found = new Map<string, ListedVariable>()
  for (let offset = 0; ; offset += PAGE) {
    const page = readPage(options, await ask(options, { token, offset, signal }))
    for (const variable of page) found.set(variable.id, variable)
    if (page.length < PAGE) {
      return [...found.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1))
    }
  }
}

const WHAT = 'the list of variables'

async function ask(
  { send, place, timeoutMs, now }: RetrieveOptions,
  { token, offset, signal }: { token: AccessToken; offset: number; signal: AbortSignal },
): Promise<HttpReply> {
  const url = resourcesUrl(place, 'variable')
  url.searchParams.set('limit', String(PAGE))
  url.searchParams.set('offset', String(offset))
  try {
    return await send({
      method: 'GET',
      url,
      headers: { Authorization: authorization(token) },
      deadlineMs: timeoutMs,
      maxBodyBytes: LARGEST_REPLY,
      signal,
    })
  } catch (error) {
    throw noReply(error, { what: WHAT, host: url.host, now: now() })
  }
}

function readPage({ place, now }: RetrieveOptions, reply: HttpReply): readonly ListedVariable[] {
  const unexpected = unexpectedReply(reply, {
    what: WHAT,
    host: place.applianceUrl.host,
    now: now(),
  })
  if (reply.status !== 200) throw unexpected
  const list = parsed(reply)
  if (!Array.isArray(list)) throw unexpected
  const prefix = `${place.account}:variable:`
  return list.map((item: unknown) => {
    const { id, secrets } = isRecord(item) ? item : {}
    // One entry that cannot be read makes the list uncertain, and an uncertain list removes nothing.
    if (typeof id !== 'string' || !id.startsWith(prefix)) throw unexpected
    return { id: id.slice(prefix.length), expiresAt: expiryOfNewest(secrets) }
  })
}

function expiryOfNewest(secrets: unknown): number | undefined {
  const versions = (Array.isArray(secrets) ? secrets : []).filter((each) => isRecord(each))
  const newest = versions.toSorted(
    (one, other) => Number(other['version']) - Number(one['version']),
  )
  const text = newest[0]?.['expires_at']
  const at = typeof text === 'string' ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}

function parsed(reply: HttpReply): unknown {
  try {
    return JSON.parse(reply.body.toString('utf8'))
  } catch {
    return undefined
  }
}
