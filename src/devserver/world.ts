import type { Faults } from './faults.ts'
import type { Fetched } from './authn/fetch-text.ts'
import type { KeyCache } from './authn/signing-keys.ts'
import type { Store } from './store.ts'
import type { TokenKey } from './tokens.ts'

/** How this server differs from a fresh one of the newest version. */
export interface Settings {
  readonly account: string
  /** Lives of access tokens, in seconds. */
  readonly hostTokenTtl: number
  readonly userTokenTtl: number
  /** Plays a server of the product's earlier name: no `exp` in tokens, no base64 in batches. */
  readonly dapEra: boolean
  /** What stands before every path, such as `/api`; empty for none. */
  readonly basePath: string
  /** Whether authn-jwt takes tokens without `iss`, as a setting of the real server allows. */
  readonly ignoreMissingIssuer: boolean
}

/** What requests were counted, by what they ask for. */
export interface Counters {
  readonly requests: Map<string, number>
}

/** Everything a handler works with. One per server; nothing of it is global. */
export interface World {
  readonly settings: Settings
  readonly store: Store
  readonly faults: Faults
  readonly keys: KeyCache
  readonly counters: Counters
  /** Asks a token issuer for a document; rejects with FetchFailed where no answer comes. */
  readonly fetch: (address: string, ca: string | undefined) => Promise<Fetched>
  /** The account's signing key, made on first need: a start does not wait for it. */
  readonly tokenKey: () => Promise<TokenKey>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The server's own log: one line, never a value, token or key. */
  readonly log: (line: string) => void
  /** Audit records, where asked for. */
  readonly audit: (event: AuditEvent) => void
  /** One plain sentence per refusal, where asked for. */
  readonly explain: (line: string) => void
  /** Called after something was changed that a state file should keep. */
  readonly changed: () => void
}

/** What happened, for the audit log: who did what to what, and whether it succeeded. */
export interface AuditEvent {
  readonly event: string
  readonly success: boolean
  readonly message: string
  readonly role?: string | undefined
  readonly resource?: string | undefined
  readonly clientIp: string
  readonly error?: string | undefined
}
