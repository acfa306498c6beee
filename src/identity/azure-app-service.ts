import { IdentityError } from '../core/errors.ts'
import type { HttpReply } from '../core/http.ts'
import { isPrivateHost } from '../core/local-host.ts'
import type { Secret } from '../core/secret.ts'
import { ask, describe, jsonObject, problem, textField, tokenOutcome, type Place } from './ask.ts'
import {
  inWords,
  selectorSetting,
  type IdentitySelector,
  type ManagedIdentityOptions,
} from './managed-identity.ts'
import { persistence, type Outcome, type RetryRule } from './persist.ts'
import type { IdentitySource, PlatformToken } from './source.ts'

export interface AzureAppServiceOptions extends ManagedIdentityOptions {
  /** `IDENTITY_ENDPOINT`, or `MSI_ENDPOINT` with the older protocol: an address of this machine's own. */
  readonly endpoint: URL
  /** `IDENTITY_HEADER`, or `MSI_SECRET`; asked for at each request, since the platform rotates it. */
  readonly header: () => Secret
  readonly protocol: '2019-08-01' | '2017-09-01'
}

const PROTOCOLS = {
  '2019-08-01': {
    headerName: 'X-IDENTITY-HEADER',
    headerSetting: 'IDENTITY_HEADER',
    endpointSetting: 'IDENTITY_ENDPOINT',
    parameter: { clientId: 'client_id', objectId: 'principal_id', resourceId: 'mi_res_id' },
  },
  '2017-09-01': {
    headerName: 'secret',
    headerSetting: 'MSI_SECRET',
    endpointSetting: 'MSI_ENDPOINT',
    parameter: { clientId: 'clientid', objectId: undefined, resourceId: undefined },
  },
} as const satisfies Record<AzureAppServiceOptions['protocol'], Protocol>

interface Protocol {
  readonly headerName: string
  readonly headerSetting: string
  readonly endpointSetting: string
  readonly parameter: Readonly<Record<IdentitySelector['kind'], string | undefined>>
}

/** The token sidecar starts after the application, by seconds. */
const FIRST_BOOT_MS = 60_000

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000] }
// A wrong resource and an unreachable Entra give the same 500, so it is not waited for for ever.
const PERHAPS: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000], retries: 5 }
const STALE_HEADER: RetryRule = { waitsMs: [5000], retries: 1 }

/**
 * A managed identity's token in App Service, Functions and Container Apps, from the endpoint that
 * the platform names in the environment. The platform caches it for up to a day; here it is asked
 * for at every login.
 */
export function azureAppService(options: AzureAppServiceOptions): IdentitySource<PlatformToken> {
  const protocol = PROTOCOLS[options.protocol]
  const url = tokenUrl(options, protocol)
  const place: Place = {
    name: `the identity endpoint at ${url.host}`,
    silenceHint: `wait for the token sidecar; else see that WEBSITE_DISABLE_MSI is not set and ${protocol.endpointSetting} is the platform's own`,
    again: PATIENT,
  }
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'azure-app-service',
    watched: [],
    token: (signal) =>
      persist(signal, () =>
        ask(
          options.send,
          {
            method: 'GET',
            url,
            headers: { [protocol.headerName]: options.header().text() },
            deadlineMs: 30_000,
            signal,
            place,
          },
          (reply) => understand(reply, { ...options, place, names: protocol }),
        ),
      ),
  }
}

function tokenUrl(options: AzureAppServiceOptions, protocol: Protocol): URL {
  const { endpoint, selector } = options
  if (!/^https?:$/.test(endpoint.protocol) || !isPrivateHost(endpoint.hostname)) {
    throw new IdentityError(
      'IDENTITY_REFUSED',
      `${endpoint.host} is no place for an identity endpoint`,
      {
        hint: `${protocol.endpointSetting} must be the platform's own: localhost or a private address`,
      },
    )
  }
  const url = new URL(endpoint)
  url.searchParams.set('api-version', options.protocol)
  url.searchParams.set('resource', options.resource)
  if (selector === undefined) return url
  const name = protocol.parameter[selector.kind]
  if (name === undefined) {
    throw new IdentityError(
      'IDENTITY_REFUSED',
      'the identity endpoint of 2017 knows an identity by its client id only',
      { hint: 'name it in CONJUR_AUTHN_AZURE_CLIENT_ID' },
    )
  }
  url.searchParams.set(name, selector.value)
  return url
}

interface Context extends AzureAppServiceOptions {
  readonly place: Place
  readonly names: Protocol
}

function understand(reply: HttpReply, context: Context): Outcome<PlatformToken> {
  const { place, names, selector } = context
  const now = context.clock.now()
  const about = { place, reply, now }
  switch (reply.status) {
    case 200:
      return tokenOutcome(textField(jsonObject(reply), 'access_token'), reply, { place, now })
    case 401:
      return {
        error: problem(
          'IDENTITY_REFUSED',
          `${place.name} does not accept ${names.headerSetting} (401)`,
          {
            ...about,
            hint: 'restart this container: a process keeps the header it was started with, and the platform has rotated it',
          },
        ),
        again: STALE_HEADER,
      }
    case 500:
      return {
        error: problem(
          'IDENTITY_NOT_READY',
          `${place.name} cannot get a token for ${context.resource} (500)`,
          {
            ...about,
            hint: 'correct CONJUR_AUTHN_AZURE_RESOURCE, or let the platform reach login.microsoft.com (outbound rules)',
            retryable: true,
          },
        ),
        again: PERHAPS,
      }
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return {
        error: problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
          ...about,
          hint: place.silenceHint,
          retryable: true,
        }),
        again: PATIENT,
      }
    case 400:
      return {
        error: problem('IDENTITY_ABSENT', `no ${inWords(selector)} is assigned to this app`, {
          ...about,
          hint: `assign it (az webapp identity assign, az containerapp identity assign; identitySettings may exclude it), or correct ${selectorSetting(selector)}`,
        }),
      }
    default:
      return {
        error: problem('IDENTITY_REFUSED', `${place.name} answers ${describe(reply)}`, {
          ...about,
          hint: `compare ${names.endpointSetting} with what the platform set: env | grep ${names.endpointSetting}`,
        }),
      }
  }
}
