import type { ConjurError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import { isRecord, parseRecord } from '../core/json.ts'
import type { Secret } from '../core/secret.ts'
import { authorization } from './access-token.ts'
import {
  authenticatorsUrl,
  resourcesUrl,
  resourceUrl,
  statusUrl,
  whoamiUrl,
  type Authenticator,
  type Place,
} from './address.ts'
import { conjurCode, noReply, unexpectedReply } from './refusal.ts'

export interface InspectOptions {
  readonly send: Send
  readonly place: Place
  readonly timeoutMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** The authenticators of a server by name, such as `authn-jwt/prod`; `installed` are types. */
export interface Authenticators {
  readonly installed: readonly string[]
  readonly configured: readonly string[]
  readonly enabled: readonly string[]
}

/** A resource as far as its reader may see it. */
export interface Resource {
  /** `acme:host:apps/web` */
  readonly id: string
  readonly annotations: Readonly<Record<string, string>>
  readonly permissions: readonly { readonly privilege: string; readonly role: string }[]
  /** The networks a host may log in from; empty: any. */
  readonly restrictedTo: readonly string[]
  /** Of a variable: how many versions of its value there are. */
  readonly versions: number
}

/** Asks which authenticators there are; no token is needed. Rejects with a ConjurError where nobody answers. */
export async function askAuthenticators(
  options: InspectOptions,
  signal: AbortSignal,
): Promise<HttpReply> {
  return get(options, { url: authenticatorsUrl(options.place), what: 'authenticators', signal })
}

/** What a server says of its authenticators; undefined if it is no such answer. */
export function readAuthenticators(reply: HttpReply): Authenticators | undefined {
  const said = reply.status === 200 ? parseRecord(reply.body.toString('utf8')) : undefined
  const { installed, configured, enabled } = said ?? {}
  return isTexts(installed) && isTexts(configured) && isTexts(enabled)
    ? { installed, configured, enabled }
    : undefined
}

/** Looks at a server's records with the access token of someone who may. */
export interface Inspector {
  /** Undefined where there is none, or the token's role cannot see it. */
  resource(kind: string, id: string): Promise<Resource | undefined>
  /** At most a thousand; undefined where the server does not say. */
  resources(kind: string): Promise<readonly Resource[] | undefined>
  /** `ok`, or the CONJ… code and the words that the status route answers with. */
  status(authenticator: Authenticator): Promise<'ok' | { code: string | undefined; words: string }>
  /** Who the token is, and from which address the server sees us come. */
  whoami(): Promise<Whoami | undefined>
}

/** Whose token it is, of which account, and the address that the server sees. */
export interface Whoami {
  readonly login: string
  readonly account: string | undefined
  readonly clientIp: string | undefined
}

/** Makes an {@link Inspector}. Its methods reject with a ConjurError where nothing can be said. */
export function inspector(
  options: InspectOptions,
  token: { readonly secret: Secret },
  signal: AbortSignal,
): Inspector {
  const headers = { Authorization: authorization(token) }
  const ask = (url: URL, what: string): Promise<HttpReply> =>
    get(options, { url, what, headers, signal })
  const unexpected = (reply: HttpReply, what: string): ConjurError =>
    unexpectedReply(reply, {
      what,
      host: options.place.applianceUrl.host,
      now: options.now(),
    })
  return {
    async resource(kind, id) {
      const what = `${kind} ${id}`
      const reply = await ask(resourceUrl(options.place, { kind, id }), what)
      if (reply.status === 404 || reply.status === 403) return undefined
      const resource = reply.status === 200 ? readResource(json(reply)) : undefined
      if (resource === undefined) throw unexpected(reply, what)
      return resource
    },
    async resources(kind) {
      const reply = await ask(resourcesUrl(options.place, kind), `the list of ${kind}s`)
      const list = reply.status === 200 ? json(reply) : undefined
      return Array.isArray(list) ? list.flatMap((item) => readResource(item) ?? []) : undefined
    },
    async status(authenticator) {
      const reply = await ask(statusUrl(options.place, authenticator), 'the status')
      const said = parseRecord(reply.body.toString('utf8'))
      if (said?.['status'] === 'ok') return 'ok'
      const words = typeof said?.['error'] === 'string' ? said['error'] : `HTTP ${reply.status}`
      return { code: conjurCode(reply), words: words.replace(/^#<[\w:]+: |>$/g, '').slice(0, 300) }
    },
    async whoami() {
      const reply = await ask(whoamiUrl(options.place), 'whoami')
      if (reply.status === 401) throw unexpected(reply, 'the access token given')
      const said = parseRecord(reply.body.toString('utf8'))
      const { username, account, client_ip: clientIp } = said ?? {}
      if (typeof username !== 'string') return undefined
      return {
        login: username,
        account: typeof account === 'string' ? account : undefined,
        clientIp: typeof clientIp === 'string' ? clientIp : undefined,
      }
    },
  }
}

interface Question {
  readonly url: URL
  readonly what: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

const LARGEST_REPLY = 16 * 1024 * 1024

async function get(options: InspectOptions, question: Question): Promise<HttpReply> {
  const { what, ...rest } = question
  try {
    return await options.send({
      ...rest,
      method: 'GET',
      deadlineMs: options.timeoutMs,
      maxBodyBytes: LARGEST_REPLY,
    })
  } catch (error) {
    throw noReply(error, { what, host: question.url.host, now: options.now() })
  }
}

function json(reply: HttpReply): unknown {
  try {
    const value: unknown = JSON.parse(reply.body.toString('utf8'))
    return value
  } catch {
    return undefined
  }
}

function readResource(value: unknown): Resource | undefined {
  if (!isRecord(value) || typeof value['id'] !== 'string') return undefined
  const { annotations, permissions, restricted_to: restrictedTo, secrets } = value
  return {
    id: value['id'],
    annotations: Object.fromEntries(
      records(annotations).map(({ name, value }) => [String(name), String(value)]),
    ),
    permissions: records(permissions).map(({ privilege, role }) => ({
      privilege: String(privilege),
      role: String(role),
    })),
    restrictedTo: isTexts(restrictedTo) ? restrictedTo : [],
    versions: records(secrets).length,
  }
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((item) => isRecord(item)) : []
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
