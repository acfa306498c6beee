import type { Send } from '../core/http.ts'
import { fromContainer } from './aws-container.ts'
import { fromInstance, instanceRegion } from './aws-instance.ts'
import type { AwsOrigin } from './aws-origin.ts'
import { signGetCallerIdentity, type AwsCredentials } from './aws-signature.ts'
import { fromWebIdentity } from './aws-web-identity.ts'
import { persistence, type Outcome, type Patience } from './persist.ts'
import type { IdentitySource, SignedHeaders } from './source.ts'

export interface AwsOptions extends Patience {
  /** Follows the usual proxy rules: STS is on the internet. */
  readonly send: Send
  /** Goes straight to the machine's link: a proxy must never see these requests. */
  readonly directSend: Send
  readonly origin: AwsOrigin
  /** Of the STS endpoint that is signed for; on an instance its own, else us-east-1. */
  readonly region?: string | undefined
}

const FIRST_BOOT_MS = 60_000
const DEFAULT_REGION = 'us-east-1'

/**
 * Proof of an AWS role for authn-iam: the signed headers of a request to STS that Conjur sends on.
 * Credentials are fetched and signed anew at each login, since a signature lives for five minutes.
 */
export function aws(options: AwsOptions): IdentitySource<SignedHeaders> {
  const { origin, clock } = options
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'aws',
    watched: watchedOf(origin),
    async token(signal) {
      const credentials = await persist(signal, () => fetchCredentials(options, signal))
      const region = options.region ?? (await regionOf(options, signal)) ?? DEFAULT_REGION
      return {
        kind: 'signed-headers',
        secret: signGetCallerIdentity(credentials, { region, now: clock.now() }),
      }
    },
  }
}

function fetchCredentials(
  options: AwsOptions,
  signal: AbortSignal,
): Promise<Outcome<AwsCredentials>> {
  const { origin, clock, send, directSend, region = DEFAULT_REGION } = options
  switch (origin.kind) {
    case 'static':
      return Promise.resolve({ value: { ...origin, expiresAt: undefined } })
    case 'web-identity':
      return fromWebIdentity(origin, { send, clock, region, signal })
    case 'container':
      return fromContainer(origin, {
        send: origin.url.protocol === 'https:' ? send : directSend,
        clock,
        signal,
      })
    case 'instance':
      return fromInstance(origin, { send: directSend, clock, signal })
    default:
      return origin satisfies never
  }
}

async function regionOf(
  { origin, directSend, clock }: AwsOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  return origin.kind === 'instance'
    ? instanceRegion(origin, { send: directSend, clock, signal })
    : undefined
}

function watchedOf(origin: AwsOrigin): readonly string[] {
  switch (origin.kind) {
    case 'web-identity':
      return [origin.tokenFile]
    case 'container':
      return origin.authorization !== undefined && 'file' in origin.authorization
        ? [origin.authorization.file]
        : []
    case 'static':
    case 'instance':
      return []
    default:
      return origin satisfies never
  }
}
