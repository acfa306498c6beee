import { randomApiKey } from './api-key.ts'
import { FetchFailed, fetchText, type Fetched } from './authn/fetch-text.ts'
import { createKeyCache } from './authn/signing-keys.ts'
import { makeCertificate } from './certificate.ts'
import { createFaults, type Faults } from './faults.ts'
import { roleIdOf } from './ids.ts'
import { listen } from './listener.ts'
import { releaseMemory } from './memory.ts'
import { createAccount } from './policy/account.ts'
import { loadPolicy } from './policy/load.ts'
import { configuredAuthenticators } from './routes/authenticators.ts'
import { openState } from './state.ts'
import { createStore, setValue, type Store } from './store.ts'
import { generateTokenKey, tokenKeyFromPem } from './tokens.ts'
import type { AuditEvent, Settings, World } from './world.ts'

/** A policy text to load at start, and what to call it in explanations. */
export interface PolicyText {
  readonly text: string
  readonly file?: string
  /** The branch it is loaded into; `root` unless said otherwise. */
  readonly branch?: string
}

/** How to start a devserver; everything has a default. */
export interface DevserverOptions {
  readonly account?: string
  readonly host?: string
  /** 0, the default, takes any free port. */
  readonly port?: number
  readonly adminApiKey?: string
  /** Policy texts, loaded in this order. */
  readonly policy?: string | readonly PolicyText[]
  /** Variable id → value. */
  readonly values?: Readonly<Record<string, string | Uint8Array>>
  /**
   * Authenticators to switch on, such as `authn-jwt/prod`. Unless given, every one that the policy
   * of the start declares is on, until a request switches the first one on by name.
   */
  readonly authenticators?: readonly string[]
  /** Life of access tokens in seconds, 480 unless given; at most 18000. */
  readonly tokenTtlSeconds?: number
  /** Plays a server of the DAP era: tokens without `exp`, batches without base64. */
  readonly dapEra?: boolean
  /** What stands before every path, such as `/api`. */
  readonly basePath?: string
  readonly ignoreMissingIssuer?: boolean
  /** Plain HTTP instead of TLS. */
  readonly http?: boolean
  /** Where state is kept between starts. */
  readonly stateFile?: string
  /** Milliseconds since 1970; the machine's clock unless given. */
  readonly clock?: () => number
  /**
   * How token issuers are asked, with the CA to trust; over the network unless given. Rejecting
   * means that no answer came.
   */
  readonly askIssuer?: (address: string, ca: string | undefined) => Promise<Fetched>
  readonly log?: (line: string) => void
  readonly audit?: (event: AuditEvent) => void
  readonly explain?: (line: string) => void
}

/** A running devserver. */
export interface Devserver {
  readonly url: string
  /** The CA to trust, in PEM; empty over plain HTTP. */
  readonly ca: string
  readonly account: string
  readonly adminApiKey: string
  readonly faults: Faults
  /** How many requests were answered, by what they ask for: `authenticate`, `secret`, `batch`, … */
  readonly requests: ReadonlyMap<string, number>
  /** The authenticators that are switched on. */
  readonly authenticators: readonly string[]
  /** The API key of a user or host, by login; undefined for what does not exist. */
  apiKeyOf(login: string): string | undefined
  /** The API keys of all users and hosts, by login or role id. */
  apiKeys(): Readonly<Record<string, string>>
  /** Writes a value past policy, as an administrator would. */
  setValue(variable: string, value: string | Uint8Array): void
  /** Stops it; open connections are cut. */
  close(): Promise<void>
}

/**
 * Starts a small Conjur on loopback. Resolves when it answers; rejects where a policy cannot be
 * loaded or the port cannot be had.
 */
export async function startDevserver(options: DevserverOptions = {}): Promise<Devserver> {
  const account = options.account ?? 'dev'
  const host = options.host ?? '127.0.0.1'
  const now = options.clock ?? Date.now
  // Taken out here: a closure over the options would keep every policy text and value alive.
  const { askIssuer = fetchText } = options
  const store = createStore()
  const certificate =
    options.http === true ? undefined : makeCertificate(isWildcard(host) ? [] : [host])
  const state = await openState(options.stateFile, store)
  const tokenKey = once(async () =>
    state.tokenKeyPem === undefined ? generateTokenKey() : tokenKeyFromPem(state.tokenKeyPem),
  )
  const admin = roleIdOf(account, 'admin')
  const adminApiKey = options.adminApiKey ?? store.credentials.get(admin)?.apiKey ?? randomApiKey()
  if (!store.roles.has(admin)) createAccount(store, account, { apiKey: adminApiKey, now: now() })
  else
    store.credentials.set(admin, {
      restrictedTo: [],
      ...store.credentials.get(admin),
      apiKey: adminApiKey,
    })
  for (const policy of policiesOf(options.policy)) load(store, policy, { account, now: now() })
  for (const [id, value] of Object.entries(options.values ?? {}))
    setValueOf(store, `${account}:variable:${id}`, value)
  if (Object.keys(options.values ?? {}).length > manyValues) setImmediate(releaseMemory)
  const webservice = (name: string): string => `${account}:webservice:conjur/${name}`
  for (const name of options.authenticators ?? []) store.enabled.add(webservice(name))
  if (options.authenticators === undefined && store.enabled.size === 0) {
    // authn-gcp has no service id, so the list takes its status webservice for one.
    const names = configuredAuthenticators(store).filter((name) => name !== 'authn-gcp/status')
    for (const name of names) store.enabledByDefault.add(webservice(name))
  }

  const faults = createFaults(Date.now)
  const counters = { requests: new Map<string, number>() }
  const world: World = {
    settings: settingsOf(account, options),
    store,
    faults,
    keys: createKeyCache(now),
    counters,
    tokenKey,
    now,
    log: options.log ?? ignore,
    audit: options.audit ?? ignore,
    explain: options.explain ?? ignore,
    changed: () => state.save(store, tokenKey),
    async fetch(address, ca) {
      const isAway = faults.active().some(({ kind }) => kind === 'provider-away')
      if (isAway) throw new FetchFailed(`Connection refused - provider-away: ${address}`, false)
      return askIssuer(address, ca)
    },
  }
  world.changed()
  await state.flush()
  const listener = await listen(world, { host, port: options.port ?? 0 }, certificate)
  const scheme = certificate === undefined ? 'http' : 'https'
  const shownHost = isWildcard(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return {
    url: `${scheme}://${shownHost}:${listener.port}${world.settings.basePath}`,
    ca: certificate?.ca ?? '',
    account,
    adminApiKey,
    faults,
    requests: counters.requests,
    authenticators: [...store.enabled, ...store.enabledByDefault].map((id) =>
      id.slice(id.indexOf('conjur/') + 'conjur/'.length),
    ),
    apiKeyOf: (login) => store.credentials.get(roleIdOf(account, login))?.apiKey,
    apiKeys: () =>
      Object.fromEntries([...store.credentials].map(([id, { apiKey }]) => [id, apiKey])),
    setValue(variable, value) {
      setValueOf(store, `${account}:variable:${variable}`, value)
      world.changed()
    },
    async close() {
      await listener.close()
      await state.flush()
    },
  }
}

/** From here on it is worth giving back what reading them took. */
const manyValues = 10_000

/** Does it at the first call, and gives that same outcome from then on. */
function once<Outcome>(work: () => Outcome): () => Outcome {
  let done: { readonly outcome: Outcome } | undefined
  return () => (done ??= { outcome: work() }).outcome
}

function load(store: Store, policy: PolicyText, into: { account: string; now: number }): void {
  loadPolicy(store, {
    text: policy.text,
    file: policy.file ?? 'policy',
    policy: `${into.account}:policy:${policy.branch ?? 'root'}`,
    mode: 'create',
    now: into.now,
    role: roleIdOf(into.account, 'admin'),
    clientIp: '127.0.0.1',
  })
}

function policiesOf(policy: DevserverOptions['policy']): readonly PolicyText[] {
  if (policy === undefined) return []
  const texts = typeof policy === 'string' ? [{ text: policy }] : policy
  return texts.filter(({ text }) => text.trim() !== '')
}

function setValueOf(store: Store, id: string, value: string | Uint8Array): void {
  if (!store.resources.has(id)) throw new Error(`no policy declares ${id}`)
  setValue(store, id, Buffer.from(value))
}

function settingsOf(account: string, options: DevserverOptions): Settings {
  const ttl = Math.min(Math.max(Math.floor(options.tokenTtlSeconds ?? 480), 0), 18_000)
  return {
    account,
    hostTokenTtl: ttl,
    userTokenTtl: ttl,
    dapEra: options.dapEra ?? false,
    basePath: (options.basePath ?? '').replace(/\/+$/, ''),
    ignoreMissingIssuer: options.ignoreMissingIssuer ?? false,
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function ignore(): void {
  // Nobody asked for it.
}
