import type { HttpReply, Send } from '../core/http.ts'
import { ask, describe, jsonObject, problem, textField, tokenOutcome, type Place } from './ask.ts'
import { persistence, type Outcome, type Patience, type RetryRule } from './persist.ts'
import { readTokenFile } from './projected-token.ts'
import { readPlatformToken, type Clock, type IdentitySource, type PlatformToken } from './source.ts'

export interface AzureWorkloadOptions extends Patience {
  /** Follows the usual proxy rules: the authority host is on the internet. */
  readonly send: Send
  /** `AZURE_FEDERATED_TOKEN_FILE`: the assertion, read at each request. */
  readonly tokenFile: string
  /** `AZURE_CLIENT_ID` of the user-assigned identity or app registration. */
  readonly clientId: string
  /** `AZURE_TENANT_ID` */
  readonly tenantId: string
  /** `AZURE_AUTHORITY_HOST`, such as `https://login.microsoftonline.com/`; the sovereign clouds have their own. */
  readonly authorityHost: URL
  /**
   * `AZURE_KUBERNETES_TOKEN_PROXY`: takes the token request instead of the authority host. `send` must
   * then use its server name and its CA.
   */
  readonly tokenProxy?: URL | undefined
  /** What the token is for: a bare URI. Resource Manager's gives the v1.0 token that authn-azure needs. */
  readonly resource: string
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** A fresh federated credential may take minutes to spread. */
const FIRST_BOOT_MS = 300_000

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000, 30_000] }
// A new federated credential spreads slowly, and its absence is remembered for a while.
const FRESH_FEDERATION: RetryRule = { waitsMs: [5000, 15_000, 30_000, 60_000], retries: 4 }
const UNREACHABLE_ISSUER: RetryRule = { waitsMs: [15_000, 30_000, 60_000] }
// The file may have been replaced between our reading and the answer: read it once more.
const READ_AGAIN: RetryRule = { waitsMs: [0], retries: 1 }

/**
 * Azure workload identity: the federated token that AKS mounts is exchanged at the tenant's token
 * endpoint for an Entra access token. Nothing is cached; the file is read at each request.
 */
export function azureWorkload(options: AzureWorkloadOptions): IdentitySource<PlatformToken> {
  const url = tokenUrl(options)
  const setting =
    options.tokenProxy === undefined ? 'AZURE_AUTHORITY_HOST' : 'AZURE_KUBERNETES_TOKEN_PROXY'
  const place: Place = {
    name: `the token endpoint at ${url.host}`,
    silenceHint: `allow this workload to reach https://${url.host}, or correct ${setting}`,
    ...(options.tokenProxy === undefined
      ? {}
      : { trustHint: 'AZURE_KUBERNETES_CA_FILE must hold the CA that signs it' }),
    again: PATIENT,
  }
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'azure-workload-identity',
    watched: [options.tokenFile],
    token: (signal) =>
      persist(signal, async () => {
        const assertion = await readAssertion(options.tokenFile, options.clock)
        return ask(
          options.send,
          {
            method: 'POST',
            url,
            headers: {
              'Content-Type': 'application/x-www-form-urlencoded',
              Accept: 'application/json',
            },
            body: form(options, assertion),
            deadlineMs: 30_000,
            signal,
            place,
          },
          (reply) => understand(reply, { ...options, place }),
        )
      }),
  }
}

function tokenUrl({ authorityHost, tokenProxy, tenantId }: AzureWorkloadOptions): URL {
  const path = `${authorityHost.pathname.replace(/\/+$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  if (tokenProxy === undefined) return new URL(path, authorityHost)
  return new URL(tokenProxy.pathname.replace(/\/+$/, '') + path, tokenProxy)
}

async function readAssertion(path: string, clock: Clock): Promise<PlatformToken> {
  const text = await readTokenFile(path, 'AZURE_FEDERATED_TOKEN_FILE')
  return readPlatformToken(text, { from: path, now: clock.now() })
}

function form(options: AzureWorkloadOptions, assertion: PlatformToken): string {
  return new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: options.clientId,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion.secret.text(),
    scope: `${options.resource.replace(/\/$/, '')}/.default`,
  }).toString()
}

interface Context extends AzureWorkloadOptions {
  readonly place: Place
}

function understand(reply: HttpReply, context: Context): Outcome<PlatformToken> {
  const { place } = context
  const now = context.clock.now()
  const json = jsonObject(reply)
  if (reply.status === 200) {
    return tokenOutcome(textField(json, 'access_token'), reply, { place, now })
  }
  const error = textField(json, 'error')
  if (reply.status === 429 || reply.status >= 500 || error === 'temporarily_unavailable') {
    const failure = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      place,
      reply,
      now,
      hint: 'wait; Entra is throttling or unwell (https://status.azure.com)',
      retryable: true,
    })
    return { error: failure, again: PATIENT }
  }
  if (error === undefined) {
    const failure = problem(
      'IDENTITY_REFUSED',
      `${place.name} answers ${describe(reply)}, which is not Entra's way`,
      {
        place,
        reply,
        hint: `find out what answers in its place (an intercepting proxy); ${place.silenceHint}`,
      },
    )
    return { error: failure }
  }
  return refused(reply, context)
}

interface Row {
  readonly codes: readonly number[]
  readonly means: string
  readonly hint: (context: Context) => string
  readonly again?: RetryRule
  readonly retryable?: boolean
}

/** Entra's codes may change: they choose words and waits, never whether a token is accepted. */
const ROWS: readonly Row[] = [
  {
    codes: [70021, 700211, 700212, 700213],
    means: 'no federated credential matches this service account',
    hint: ({ clientId }) =>
      `compare issuer, subject and audience: az identity federated-credential list (or az ad app federated-credential list --id ${clientId})`,
    again: FRESH_FEDERATION,
  },
  {
    codes: [700024],
    means: 'the federated token is expired or not yet valid',
    hint: ({ tokenFile }) =>
      `see why ${tokenFile} is not renewed, and compare this node's clock (date -u)`,
    again: READ_AGAIN,
    retryable: true,
  },
  {
    codes: [70023],
    means: 'the federated token lives longer than Entra allows',
    hint: () => 'set azure.workload.identity/service-account-token-expiration to 86400 or less',
  },
  {
    codes: [90061],
    means: "Entra cannot reach the cluster's issuer",
    hint: () => "make the cluster's issuer public: az aks show --query oidcIssuerProfile.issuerUrl",
    again: UNREACHABLE_ISSUER,
    retryable: true,
  },
  {
    codes: [700016, 7000112],
    means: 'the tenant knows no such enabled client',
    hint: ({ clientId, tenantId }) =>
      `compare AZURE_CLIENT_ID ${clientId} and AZURE_TENANT_ID ${tenantId} with the identity (az identity show)`,
  },
  {
    codes: [90002],
    means: 'there is no such tenant',
    hint: ({ tenantId }) =>
      `correct AZURE_TENANT_ID ${tenantId}, or AZURE_AUTHORITY_HOST if it is in another cloud`,
  },
  {
    codes: [70011, 500011, 1002012],
    means: 'the tenant does not know the resource',
    hint: ({ resource }) =>
      `correct CONJUR_AUTHN_AZURE_RESOURCE ${resource} (default https://management.azure.com/)`,
  },
  {
    codes: [50013],
    means: "Entra rejects the federated token's signature",
    hint: () => "compare the token's issuer with the federated credential's, to the last slash",
  },
]

function refused(reply: HttpReply, context: Context): Outcome<never> {
  const { place } = context
  const codes = errorCodes(reply)
  const row = ROWS.find((candidate) => candidate.codes.some((code) => codes.includes(code)))
  const code = codes[0] === undefined ? '' : `, AADSTS${codes[0]}`
  const error = problem(
    'IDENTITY_REFUSED',
    `Entra refuses client ${context.clientId}: ${row?.means ?? textField(jsonObject(reply), 'error')} (${reply.status}${code})`,
    {
      place,
      reply,
      now: context.clock.now(),
      hint:
        row?.hint(context) ??
        `look up ${code.slice(2) || 'the error'} at https://login.microsoftonline.com/error, with the correlation id`,
      retryable: row?.retryable ?? false,
    },
  )
  return row?.again === undefined ? { error } : { error, again: row.again }
}

function errorCodes(reply: HttpReply): readonly number[] {
  const json = jsonObject(reply)
  const listed = json?.['error_codes']
  if (Array.isArray(listed)) return listed.map(Number)
  const inText = /AADSTS(\d+)/.exec(textField(json, 'error_description') ?? '')?.[1]
  return inText === undefined ? [] : [Number(inText)]
}
