import { IdentityError } from '../core/errors.ts'
import type { PlatformToken } from '../identity/source.ts'
import { skewOf, type FirstReply } from './known.ts'
import { degraded, failed, passed, skipped, type Finding } from './report.ts'

interface Clocks {
  readonly first: FirstReply
  readonly token: PlatformToken | undefined
  /** Epoch milliseconds, ours. */
  readonly now: number
}

/** From here on a difference is worth a finding: tokens are judged without leeway. */
const SKEWED_MS = 60_000

/** Compares three clocks: ours, Conjur's by the Date of its first reply, and the issuer's by the token. */
export function checkClock({ first, token, now }: Clocks): Finding {
  const skewMs = skewOf(first)
  if (skewMs === undefined) return skipped('the reply holds no Date')
  const facts = { skewSeconds: Math.round(skewMs / 1000) }
  const byConjur = now + skewMs
  if (token?.expiresAt !== undefined && token.expiresAt <= byConjur) {
    return failed(
      new IdentityError(
        'IDENTITY_EXPIRED',
        `by Conjur's clock the platform token expired ${seconds(byConjur - token.expiresAt)} ago; ours is ${behind(skewMs)}`,
        { hint: SET_CLOCK, facts },
      ),
    )
  }
  const early = ['nbf', 'iat'].flatMap((claim) => {
    const at = token?.claims[claim]
    return typeof at === 'number' && at * 1000 > byConjur ? [{ claim, at: at * 1000 }] : []
  })
  const [first1] = early
  if (first1 !== undefined) {
    return failed(
      new IdentityError(
        'IDENTITY_NOT_READY',
        `by Conjur's clock the token's ${first1.claim} is ${seconds(first1.at - byConjur)} in the future`,
        {
          hint: 'compare date -u on the Conjur server with the issuer of the token: Conjur allows no leeway',
          facts,
        },
      ),
    )
  }
  const message = [
    Math.abs(skewMs) < 1000 ? 'within 1 s of Conjur' : `${behind(skewMs)} Conjur's`,
    ...ageOf(token, now),
  ].join('; ')
  return Math.abs(skewMs) > SKEWED_MS
    ? degraded(message, { hint: SET_CLOCK, facts })
    : passed(message, facts)
}

const SET_CLOCK =
  'compare date -u here and on the Conjur server, and set the wrong one by NTP (timedatectl)'

function behind(skewMs: number): string {
  return `${seconds(Math.abs(skewMs))} ${skewMs > 0 ? 'behind' : 'ahead of'}`
}

function ageOf(token: PlatformToken | undefined, now: number): readonly string[] {
  const iat = token?.claims['iat']
  if (typeof iat !== 'number') return []
  const age = now - iat * 1000
  return [
    `the token's iat is ${age < 120_000 ? seconds(age) : `${Math.round(age / 60_000)} min`} old`,
  ]
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.max(0, Math.round(ms / 1000))} s` : `${Math.round(ms / 60_000)} min`
}
