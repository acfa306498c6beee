import type { PartialConfig } from '../config/load.ts'
import { IdentityError, type Facts } from '../core/errors.ts'
import { createSource } from '../identity/create.ts'
import type { PlatformToken } from '../identity/source.ts'
import { audienceOf, findingsOf } from '../identity/claims.ts'
import type { Known, Tools } from './known.ts'
import { degraded, passed, type Finding } from './report.ts'

interface Asked {
  readonly identity: PartialConfig['identity']
  readonly conjur: PartialConfig['conjur']
  /** Such as `authn-jwt`. */
  readonly authenticatorType: string
}

/** Gets the platform token and looks at its claims. Rejects with an IdentityError where there is none. */
export async function checkToken(
  { identity, conjur, authenticatorType }: Asked,
  tools: Tools,
  signal: AbortSignal,
): Promise<[Finding, Known]> {
  const { credential, name } = await platformCredential({ identity, conjur }, tools, signal)
  if (credential.kind !== 'jwt') {
    const facts = { source: name, kind: credential.kind }
    return [passed(`${name}, ${KINDS[credential.kind]}`, facts), { credential }]
  }
  const message = `${name}, ${describe(credential, tools.now())}`
  const known = { credential, token: credential }
  const facts = factsOf(credential, name)
  const [first, ...others] = findingsOf(credential, authenticatorType)
  if (first === undefined) return [passed(message, facts), known]
  return [
    degraded(message, {
      lines: [first, ...others].map(({ what }) => what),
      hint: first.cure,
      facts,
      ...(first.isFatal ? { code: 'IDENTITY_UNFIT' } : {}),
    }),
    known,
  ]
}

const KINDS = {
  'api-key': 'an API key',
  'signed-headers': 'signed headers of a request',
  'client-certificate': 'a client certificate',
} as const

/** Asks the configured source once, within the deadline; a platform that is not ready is not waited for longer. */
export async function platformCredential(
  { identity, conjur }: Pick<PartialConfig, 'identity' | 'conjur'>,
  tools: Tools,
  signal: AbortSignal,
): Promise<{
  credential: Awaited<ReturnType<ReturnType<typeof createSource>['token']>>
  name: string
}> {
  let last: IdentityError | undefined
  const source = createSource(identity.source, {
    clock: { now: tools.now, sleep },
    budgetMs: tools.timeoutMs,
    onRetry: (error, waitMs) => {
      last = error
      tools.stillWaiting(`${error.code}, again in ${(waitMs / 1000).toFixed(1)} s`)
    },
    ...tools.sources,
    toConjur: tools.toConjur(conjur),
  })
  try {
    return { credential: await source.token(signal), name: source.name }
  } catch (error) {
    if (error instanceof IdentityError || !signal.aborted) throw error
    if (last !== undefined) throw last
    throw new IdentityError('IDENTITY_NOT_READY', `${source.name} gives no answer in time`, {
      hint: `conjur-agent doctor --until token --timeout 60s waits longer; the source was chosen because: ${identity.reason}`,
      retryable: true,
      cause: error,
    })
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

function describe({ claims, expiresAt }: PlatformToken, now: number): string {
  const audience = audienceOf(claims)
  const issuedAt = typeof claims['iat'] === 'number' ? claims['iat'] * 1000 : undefined
  const life =
    expiresAt === undefined
      ? 'no end'
      : issuedAt === undefined
        ? `${amount(expiresAt - now, expiresAt - now)} left`
        : `${amount(expiresAt - now, expiresAt - issuedAt)} of ${bare(expiresAt - issuedAt)} left`
  return [audience === undefined ? 'no aud' : `aud ${audience}`, life].join(', ')
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function unitOf(ms: number): readonly [string, number] {
  return ms >= 3 * HOUR ? ['h', HOUR] : ms >= 2 * MINUTE ? ['min', MINUTE] : ['s', 1000]
}

/** A span in the unit that its whole is told in: `51 min`. */
function amount(ms: number, whole: number): string {
  const [unit, size] = unitOf(whole)
  return `${Math.round(ms / size)} ${unit}`
}

function bare(ms: number): string {
  return String(Math.round(ms / unitOf(ms)[1]))
}

function factsOf({ claims, header, expiresAt }: PlatformToken, source: string): Facts {
  return {
    source,
    alg: String(header['alg']),
    kid: typeof header['kid'] === 'string' ? header['kid'] : undefined,
    iss: typeof claims['iss'] === 'string' ? claims['iss'] : undefined,
    sub: typeof claims['sub'] === 'string' ? claims['sub'] : undefined,
    aud: audienceOf(claims),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
  }
}
