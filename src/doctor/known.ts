import type { AgentConfig, PartialConfig } from '../config/load.ts'
import type { Given } from '../config/sources.ts'
import type { AccessToken } from '../conjur/access-token.ts'
import type { Authenticators } from '../conjur/inspect.ts'
import type { HttpReply, Send } from '../core/http.ts'
import type { ConjurError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import type { SourceSurroundings } from '../identity/create.ts'
import type { Credential, PlatformToken } from '../identity/source.ts'
import type { Probe } from '../net/probe.ts'

/** What the steps work with; made once, in `start.ts`. */
export interface Tools {
  readonly given: Given
  readonly probe: Probe
  /** To Conjur, with the configured trust. */
  readonly toConjur: (config: PartialConfig['conjur']) => Send
  /** What an identity source needs beside time and patience. */
  readonly sources: Pick<
    SourceSurroundings,
    'toPlatform' | 'toInternet' | 'toTokenProxy' | 'createToken' | 'environment'
  >
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How long one step may take. */
  readonly timeoutMs: number
  /** Told why a step is still waiting, such as `IDENTITY_NOT_READY, again in 1.7 s`. */
  readonly stillWaiting: (reason: string) => void
  /** The named connection that is looked at; undefined for the one at the top of the configuration. */
  readonly connection: string | undefined
  /** An operator's access token, if one was given. */
  readonly operatorToken: Secret | undefined
}

/** What the steps found out, for those that come after; what is absent was not found out. */
export interface Known {
  readonly partial?: PartialConfig
  readonly config?: AgentConfig
  /** What is shown to Conjur: a platform token nearly always. */
  readonly credential?: Credential
  /** The same, where it is one. */
  readonly token?: PlatformToken
  /** By host name. */
  readonly addresses?: ReadonlyMap<string, readonly string[]>
  readonly isTrusted?: boolean
  /** The first reply of Conjur, or why there is none. */
  readonly reply?: FirstReply | ConjurError
  readonly authenticators?: Authenticators
  readonly accessToken?: AccessToken
}

/** The first reply of all, and the moments around it by our own clock. */
export interface FirstReply {
  readonly reply: HttpReply
  readonly askedAt: number
  readonly answeredAt: number
}

/** Conjur's clock minus ours in milliseconds, by a reply's Date; it counts whole seconds. Undefined without one. */
export function skewOf({ reply, askedAt, answeredAt }: FirstReply): number | undefined {
  const date = Date.parse(reply.headers['date'] ?? '')
  if (Number.isNaN(date)) return undefined
  // The Date was taken between the two moments and cut to its second: no skew is shown that is none.
  if (date + 999 < askedAt) return date + 999 - askedAt
  return date > answeredAt ? date - answeredAt : 0
}
