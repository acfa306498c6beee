import { IdentityError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import { isLocalHost } from '../core/local-host.ts'
import { ask, describe, problem, tokenOutcome, type Place } from './ask.ts'
import { persistence, type Outcome, type Patience, type RetryRule } from './persist.ts'
import type { IdentitySource, PlatformToken } from './source.ts'

export interface GcpMetadataOptions extends Patience {
  /** Goes straight to the machine's link: a proxy must never see this request. */
  readonly send: Send
  /** The token's `aud`; with authn-gcp that is the login itself: `conjur/<account>/host/<id>`. */
  readonly audience: string
  /** `GCE_METADATA_HOST`, host and port; loopback and link-local hosts only. */
  readonly host?: string | undefined
}

/** What metadata.google.internal resolves to, everywhere; no name server is asked. */
const METADATA_HOST = '169.254.169.254'
const FIRST_BOOT_MS = 60_000
const PATIENT: RetryRule = { waitsMs: [100, 200, 400, 800, 1600, 3200, 5000] }
const FRESH_POD: RetryRule = { waitsMs: [1000, 2000, 4000, 8000], retries: 7 }

/**
 * Google's signed statement of which service account and instance this is, from the metadata
 * server of a Compute Engine machine, a GKE pod or a Cloud Run service. Nothing is cached here.
 */
export function gcpMetadata(options: GcpMetadataOptions): IdentitySource<PlatformToken> {
  const url = tokenUrl(options)
  const place: Place = {
    name: `the metadata server at ${url.host}`,
    silenceHint: `curl --noproxy '*' -sS -H 'Metadata-Flavor: Google' ${url.origin}/computeMetadata/v1/instance/ tells whether this is a Google Cloud machine`,
    again: PATIENT,
  }
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'gcp-metadata',
    watched: [],
    token: (signal) =>
      persist(signal, () =>
        ask(
          options.send,
          {
            method: 'GET',
            url,
            headers: { 'Metadata-Flavor': 'Google' },
            deadlineMs: 10_000,
            signal,
            place,
          },
          (reply) => understand(reply, { place, now: options.clock.now() }),
        ),
      ),
  }
}

function tokenUrl({ audience, host = METADATA_HOST }: GcpMetadataOptions): URL {
  const origin = `http://${host}`
  if (!URL.canParse(origin) || !isLocalHost(new URL(origin).hostname)) {
    throw new IdentityError('IDENTITY_REFUSED', `${host} is no place for a metadata server`, {
      hint: 'GCE_METADATA_HOST may name a loopback or link-local host only',
    })
  }
  const url = new URL('/computeMetadata/v1/instance/service-accounts/default/identity', origin)
  url.search = `?audience=${encodeURIComponent(audience)}&format=full`
  return url
}

function understand(
  reply: HttpReply,
  { place, now }: { readonly place: Place; readonly now: number },
): Outcome<PlatformToken> {
  const about = { place, reply, now }
  if (reply.status === 200) {
    if (reply.headers['metadata-flavor'] === 'Google') {
      return tokenOutcome(reply.body.toString('utf8'), reply, { place, now })
    }
    const error = problem(
      'IDENTITY_REFUSED',
      `${place.name} is not Google's: its answer lacks Metadata-Flavor`,
      {
        ...about,
        hint: `find out what answers in its place; ${place.silenceHint}`,
      },
    )
    return { error }
  }
  if (reply.status === 429 || reply.status >= 500) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      ...about,
      hint: 'wait; the machine is starting or being moved',
      retryable: true,
    })
    return { error, again: PATIENT }
  }
  if (reply.status === 404) {
    const error = problem(
      'IDENTITY_ABSENT',
      'no service account is attached to this machine or pod (404)',
      {
        ...about,
        hint: 'attach one (gcloud compute instances set-service-account), or link the Kubernetes service account to an IAM one',
      },
    )
    return { error, again: FRESH_POD }
  }
  const error = problem('IDENTITY_REFUSED', `${place.name} refuses (${describe(reply)})`, {
    ...about,
    hint: 'on GKE allow the pod the metadata server (Workload Identity, network policy); nothing may stand in between',
  })
  return { error }
}
