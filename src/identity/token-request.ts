import { IdentityError } from '../core/errors.ts'
import { persistence, type Outcome, type Patience, type RetryRule } from './persist.ts'
import { readPlatformToken, type IdentitySource, type PlatformToken } from './source.ts'

/** What the API server is asked for. */
export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: string
  /** Empty: the API server's own audience, which Conjur should not be shown. */
  readonly audiences: readonly string[]
  /** At least 600; the server may give less. */
  readonly expirationSeconds: number
  /** The token ends with this pod, for the API server's purposes. */
  readonly boundPod?: { readonly name: string; readonly uid: string } | undefined
}

/** What the API server said: a token, or a status with its reason. */
export type TokenAnswer =
  | { readonly token: string }
  | {
      /** HTTP status, or `no answer`. */
      readonly status: number | 'no answer'
      readonly reason: string
      readonly retryAfterMs?: number | undefined
    }

/** The port to the Kubernetes API: asks once, with whatever credential this process has there. */
export type CreateToken = (request: TokenRequest, signal: AbortSignal) => Promise<TokenAnswer>

export interface TokenRequestOptions extends Patience {
  readonly createToken: CreateToken
  readonly request: TokenRequest
}

const FIRST_BOOT_MS = 60_000
const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000] }
// The API token's file may just have been replaced; the port reads it at each request.
const READ_AGAIN: RetryRule = { waitsMs: [1000], retries: 1 }
// The service account or pod may be seconds old.
const FRESH_OBJECT: RetryRule = { waitsMs: [2000, 4000, 8000, 16_000], retries: 4 }

/** A service-account token asked of the Kubernetes API, for clusters and modes without a projected one. Nothing is cached. */
export function tokenRequest(options: TokenRequestOptions): IdentitySource<PlatformToken> {
  const { createToken, request, clock } = options
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'token-request',
    watched: [],
    token: (signal) =>
      persist<PlatformToken>(signal, async () => {
        const answer = await createToken(request, signal)
        if (!('token' in answer)) return refused(answer, request)
        const from = 'the Kubernetes API (TokenRequest)'
        return { value: readPlatformToken(answer.token, { from, now: clock.now() }) }
      }),
  }
}

type Refusal = Exclude<TokenAnswer, { token: string }>

function refused({ status, reason, retryAfterMs }: Refusal, request: TokenRequest): Outcome<never> {
  const account = `${request.namespace}/${request.serviceAccount}`
  const said = reason === '' ? String(status) : `${status}: ${reason}`
  const details = { facts: { serviceAccount: account, status }, retryAfterMs }
  if (status === 'no answer' || status === 429 || status >= 500) {
    const error = new IdentityError(
      'IDENTITY_NOT_READY',
      `the Kubernetes API gives no token for ${account} (${said})`,
      {
        ...details,
        hint: 'let the pod reach the API server (NetworkPolicy): kubectl get --raw /readyz',
        retryable: true,
      },
    )
    return { error, again: PATIENT }
  }
  const { code, hint, again } = rowOf(status, request)
  const error = new IdentityError(
    code,
    `the Kubernetes API refuses a token for ${account} (${said})`,
    {
      ...details,
      hint,
    },
  )
  return again === undefined ? { error } : { error, again }
}

interface Row {
  readonly code: IdentityError['code']
  readonly hint: string
  readonly again?: RetryRule
}

function rowOf(status: number, { namespace, serviceAccount }: TokenRequest): Row {
  switch (status) {
    case 401:
      return {
        code: 'IDENTITY_REFUSED',
        hint: "see that the pod's own API token is mounted and renewed: ls -l /var/run/secrets/kubernetes.io/serviceaccount",
        again: READ_AGAIN,
      }
    case 403:
      return {
        code: 'IDENTITY_REFUSED',
        hint: `grant it: kubectl -n ${namespace} auth can-i create serviceaccounts/${serviceAccount} --subresource=token`,
      }
    case 404:
      return {
        code: 'IDENTITY_ABSENT',
        hint: `see that it exists: kubectl -n ${namespace} get serviceaccount ${serviceAccount}`,
        again: FRESH_OBJECT,
      }
    case 409:
      return {
        code: 'IDENTITY_REFUSED',
        hint: 'the pod was replaced: pass its own uid by the downward API (metadata.uid)',
      }
    default:
      return {
        code: 'IDENTITY_REFUSED',
        hint: 'CONJUR_TOKEN_EXPIRATION must be 600 s or more, and the pod must run as this service account',
      }
  }
}
