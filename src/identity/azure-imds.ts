import { IdentityError } from '../core/errors.ts'
import type { HttpReply } from '../core/http.ts'
import { isLocalHost } from '../core/local-host.ts'
import { ask, describe, jsonObject, problem, textField, tokenOutcome, type Place } from './ask.ts'
import {
  inWords,
  selectorSetting,
  type IdentitySelector,
  type ManagedIdentityOptions,
} from './managed-identity.ts'
import { persistence, type Outcome, type RetryRule } from './persist.ts'
import type { IdentitySource, PlatformToken } from './source.ts'

export interface AzureImdsOptions extends ManagedIdentityOptions {
  /** `2018-02-01` or a later version. */
  readonly apiVersion: string
  /** In place of http://169.254.169.254; loopback and link-local hosts only. */
  readonly baseUrl?: URL | undefined
}

/** Where the metadata service is on every Azure machine, in every cloud. */
const IMDS = new URL('http://169.254.169.254')

/** Container groups and new machines answer late: this long they are asked again. */
const FIRST_BOOT_MS = 300_000

const SELECTOR_PARAMETER = {
  clientId: 'client_id',
  objectId: 'object_id',
  resourceId: 'msi_res_id',
} as const satisfies Record<IdentitySelector['kind'], string>

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000, 30_000] }
// Azure promises an end of an IMDS update within 70 s; whoever gives up sooner fails for nothing.
const UPDATING: RetryRule = { waitsMs: [10_000], atLeastMs: 80_000 }
// A fresh assignment takes some seconds to arrive.
const FRESH_ASSIGNMENT: RetryRule = { waitsMs: [1000, 2000, 4000], retries: 3 }

/**
 * A managed identity's token from Azure's Instance Metadata Service: virtual machines, scale sets,
 * AKS nodes and Linux container groups. Azure caches it for up to a day; here it is asked for at
 * every login.
 */
export function azureImds(options: AzureImdsOptions): IdentitySource<PlatformToken> {
  const url = tokenUrl(options)
  const place: Place = {
    name: `the metadata service at ${url.host}`,
    silenceHint: `curl --noproxy '*' -sS -H Metadata:true '${url.origin}/metadata/instance?api-version=2021-02-01' tells whether this is an Azure machine`,
    again: PATIENT,
  }
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'azure-imds',
    watched: [],
    token: (signal) =>
      persist(signal, () =>
        ask(
          options.send,
          {
            method: 'GET',
            url,
            headers: { Metadata: 'true' },
            deadlineMs: 30_000,
            signal,
            place,
          },
          (reply) => understand(reply, { ...options, place }),
        ),
      ),
  }
}

function tokenUrl(options: AzureImdsOptions): URL {
  const base = options.baseUrl ?? IMDS
  if (!isLocalHost(base.hostname)) {
    throw new IdentityError('IDENTITY_REFUSED', `${base.host} is no place for a metadata service`, {
      hint: 'AZURE_POD_IDENTITY_AUTHORITY_HOST may name a loopback or link-local host only',
    })
  }
  const url = new URL('/metadata/identity/oauth2/token', base)
  url.searchParams.set('api-version', options.apiVersion)
  url.searchParams.set('resource', options.resource)
  const { selector } = options
  if (selector !== undefined)
    url.searchParams.set(SELECTOR_PARAMETER[selector.kind], selector.value)
  return url
}

interface Context extends AzureImdsOptions {
  readonly place: Place
}

/** Vendor's table: what each answer means, and whether waiting cures it. */
function understand(reply: HttpReply, context: Context): Outcome<PlatformToken> {
  const { place } = context
  const now = context.clock.now()
  if (isStartingUp(reply)) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} is still starting`, {
      place,
      reply,
      now,
      hint: 'wait; if it lasts more than five minutes, recreate the container group',
      retryable: true,
    })
    return { error, again: PATIENT }
  }
  if (reply.status === 200) {
    return tokenOutcome(textField(jsonObject(reply), 'access_token'), reply, { place, now })
  }
  if (reply.status === 404 || reply.status === 410 || reply.status === 429 || reply.status >= 500) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      place,
      reply,
      now,
      hint: `it is updating or throttling, wait; else ${place.silenceHint}`,
      retryable: true,
    })
    return { error, again: reply.status === 410 ? UPDATING : PATIENT }
  }
  return refused(reply, context)
}

// Container groups start before their metadata address works, and say so with any status.
function isStartingUp(reply: HttpReply): boolean {
  return reply.body.includes('Received invalid token')
}

function refused(reply: HttpReply, context: Context): Outcome<never> {
  const { place, selector } = context
  const said = reply.body.toString('utf8')
  if (/identity not found/i.test(said)) {
    const error = problem(
      'IDENTITY_ABSENT',
      `no ${inWords(selector)} is attached to this machine`,
      {
        place,
        reply,
        hint: `attach it (az vm identity assign, az container create --assign-identity), or correct ${selectorSetting(selector)}`,
      },
    )
    return { error, again: FRESH_ASSIGNMENT }
  }
  if (/multiple user assigned identities/i.test(said)) {
    const error = problem(
      'IDENTITY_REFUSED',
      'several managed identities are attached and none is chosen',
      {
        place,
        reply,
        hint: 'name the one that Conjur knows in CONJUR_AUTHN_AZURE_CLIENT_ID (az vm identity show lists them)',
      },
    )
    return { error }
  }
  if (reply.status === 403 && /unreachable/i.test(said)) {
    const error = problem(
      'IDENTITY_ABSENT',
      `${place.name} is not there: something else answers 403`,
      {
        place,
        reply,
        hint: 'this is no Azure machine; name another identity in CONJUR_IDENTITY_SOURCE',
      },
    )
    return { error }
  }
  const error = problem(
    'IDENTITY_REFUSED',
    `${place.name} refuses a token for ${context.resource} (${describe(reply)})`,
    {
      place,
      reply,
      hint: hintFor(said, selectorSetting(selector)),
    },
  )
  return { error }
}

function hintFor(said: string, selectorSetting: string): string {
  if (/invalid_resource|AADSTS500011|AADSTS50001\b/.test(said)) {
    return 'correct CONJUR_AUTHN_AZURE_RESOURCE: the tenant does not know it (default https://management.azure.com/)'
  }
  if (/api-version|newest-versions/.test(said)) {
    return 'correct CONJUR_AUTHN_AZURE_API_VERSION (default 2018-02-01)'
  }
  return `see which identities are attached (az vm identity show) and compare ${selectorSetting}`
}
