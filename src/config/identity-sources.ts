import { awsOrigin, type AwsOrigin } from './aws-origin.ts'
import {
  appService,
  arcEndpoint,
  managedIdentity,
  workloadIdentity,
  type AppService,
  type ManagedIdentity,
  type WorkloadIdentity,
} from './identity-azure.ts'
import { neededFrom, type Needed, type SourceContext } from './identity-context.ts'
import type { IdentitySourceName } from './identity-table.ts'
import { awsRegion } from './identity-values.ts'
import { missing, problemOf, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { Unfit } from './setting.ts'
import { settings } from './settings.ts'

/** How one source gets its credential; each fits the options of the source of that name. */
export type IdentitySourceConfig =
  | { readonly kind: 'projected-token'; readonly path: string; readonly setting: string }
  | { readonly kind: 'oidc-token-file'; readonly path: string; readonly setting: string }
  | { readonly kind: 'api-key-file'; readonly path: string }
  | {
      readonly kind: 'token-request'
      readonly request: {
        readonly namespace: string
        readonly serviceAccount: string
        readonly audiences: readonly string[]
        readonly expirationSeconds: number
        readonly boundPod: { readonly name: string; readonly uid: string } | undefined
      }
    }
  | (ManagedIdentity & {
      readonly kind: 'azure-imds'
      readonly apiVersion: string
      readonly baseUrl: URL | undefined
    })
  | (ManagedIdentity & AppService & { readonly kind: 'azure-app-service' })
  | (ManagedIdentity & { readonly kind: 'azure-arc'; readonly endpoint: URL | undefined })
  | (WorkloadIdentity & { readonly kind: 'azure-workload-identity' })
  | {
      readonly kind: 'oidc-client-credentials'
      readonly issuer: string
      readonly clientId: string
      readonly proof: { readonly kind: 'assertion' | 'secret'; readonly file: string }
      readonly scope: string
      readonly audience: string | undefined
      readonly tokenField: 'id_token' | 'access_token'
    }
  | { readonly kind: 'gcp-metadata'; readonly audience: string; readonly host: string | undefined }
  | { readonly kind: 'aws'; readonly origin: AwsOrigin; readonly region: string | undefined }
  | {
      readonly kind: 'k8s-certificate'
      readonly injectUrl: URL
      readonly login: string
      readonly namespace: string
      readonly podName: string
      readonly certificatePath: string
      readonly looks: number
    }
  | {
      readonly kind: 'command'
      readonly command: readonly [string, ...string[]]
      readonly yields: 'jwt' | 'api-key'
      readonly deadlineMs: number
    }

/** Reads what one source needs; what is missing is noted as a problem. */
export function readSource(
  kind: IdentitySourceName,
  take: Take,
  context: SourceContext,
): IdentitySourceConfig {
  const needed = neededFrom(context.problems)
  switch (kind) {
    case 'projected-token': {
      const [raw] = context.found.settings.get('jwtTokenPath') ?? []
      const setting = raw?.name ?? settings.jwtTokenPath.env
      return { kind, path: take(settings.jwtTokenPath), setting }
    }
    case 'oidc-token-file': {
      const setting = settings.oidcTokenFile.env
      return {
        kind,
        setting,
        path: needed(setting, take(settings.oidcTokenFile), "the ID token's file"),
      }
    }
    case 'api-key-file': {
      const path = take(settings.authnApiKeyFile)
      return {
        kind,
        path: needed(settings.authnApiKeyFile.env, path, "the file with the host's API key"),
      }
    }
    case 'token-request':
      return { kind, request: tokenRequest(take, needed, context.problems) }
    case 'azure-imds':
      return {
        kind,
        ...managedIdentity(take, context),
        apiVersion: take(settings.authnAzureApiVersion),
        baseUrl: take(settings.azurePodIdentityAuthorityHost),
      }
    case 'azure-app-service':
      return { kind, ...managedIdentity(take, context), ...appService(context) }
    case 'azure-arc':
      return { kind, ...managedIdentity(take, context), endpoint: arcEndpoint(context) }
    case 'azure-workload-identity':
      return { kind, ...workloadIdentity(take, needed, context) }
    case 'oidc-client-credentials':
      return { kind, ...oidcClient(take, needed) }
    case 'gcp-metadata':
      return {
        kind,
        audience: gcpAudience(take, needed, context),
        host: take(settings.gceMetadataHost),
      }
    case 'aws':
      return { kind, ...aws(take, context) }
    case 'k8s-certificate':
      return { kind, ...k8sCertificate(take, needed, context) }
    case 'command': {
      const command = take(settings.identityCommand) ?? ['']
      needed(
        settings.identityCommand.env,
        command[0] || undefined,
        'the program that prints {"token": "…"}',
      )
      const yields = context.authenticator?.type === 'authn' ? 'api-key' : 'jwt'
      return { kind, command, yields, deadlineMs: take(settings.identityCommandTimeout) }
    }
    default:
      return kind satisfies never
  }
}

const LEAST_EXPIRATION_MS = 600_000

function tokenRequest(
  take: Take,
  needed: Needed,
  problems: Problem[],
): Extract<IdentitySourceConfig, { kind: 'token-request' }>['request'] {
  const audience = take(settings.tokenAudience)
  const expirationMs = take(settings.tokenExpiration)
  if (expirationMs < LEAST_EXPIRATION_MS) {
    problems.push(missing(settings.tokenExpiration.env, 'the Kubernetes API takes 10m or more'))
  }
  const [name, uid] = [take(settings.podName), take(settings.podUid)]
  return {
    namespace: needed(
      settings.podNamespace.env,
      take(settings.podNamespace),
      'from the downward API: metadata.namespace',
    ),
    serviceAccount: needed(
      settings.podServiceAccount.env,
      take(settings.podServiceAccount),
      'from the downward API: spec.serviceAccountName',
    ),
    audiences: [
      needed(settings.tokenAudience.env, audience, "the authenticator's audience, such as conjur"),
    ],
    expirationSeconds: Math.ceil(expirationMs / 1000),
    boundPod: name === undefined || uid === undefined ? undefined : { name, uid },
  }
}

function oidcClient(
  take: Take,
  needed: Needed,
): Omit<Extract<IdentitySourceConfig, { kind: 'oidc-client-credentials' }>, 'kind'> {
  const assertion = take(settings.oidcAssertionFile)
  const secret = take(settings.oidcClientSecretFile)
  const file = needed(
    settings.oidcAssertionFile.env,
    assertion ?? secret,
    'a platform token that the provider trusts, or CONJUR_OIDC_CLIENT_SECRET_FILE',
  )
  return {
    issuer: needed(settings.oidcIssuer.env, take(settings.oidcIssuer), 'the OpenID provider'),
    clientId: needed(
      settings.oidcClientId.env,
      take(settings.oidcClientId),
      'the client at the provider',
    ),
    proof: { kind: assertion === undefined ? 'secret' : 'assertion', file },
    scope: take(settings.oidcScope),
    audience: take(settings.oidcAudience),
    tokenField: take(settings.oidcTokenField),
  }
}

/** With authn-gcp the audience is the login, and nothing else says who logs in. */
function gcpAudience(take: Take, needed: Needed, context: SourceContext): string {
  const audience = take(settings.tokenAudience)
  if (context.authenticator?.type !== 'authn-gcp') {
    return needed(
      settings.tokenAudience.env,
      audience,
      "the authenticator's audience, such as conjur",
    )
  }
  return `conjur/${context.account ?? ''}/${context.login ?? ''}`
}

function k8sCertificate(
  take: Take,
  needed: Needed,
  { authnBaseUrl, authenticator, login }: SourceContext,
): Omit<Extract<IdentitySourceConfig, { kind: 'k8s-certificate' }>, 'kind'> {
  const base = authnBaseUrl?.href.replace(/\/+$/, '') ?? 'https://conjur.invalid'
  const service = `authn-k8s/${authenticator?.serviceId ?? ''}`
  return {
    injectUrl: new URL(`${base}/${service}/inject_client_cert`),
    login: login ?? '',
    namespace: needed(
      settings.podNamespace.env,
      take(settings.podNamespace),
      'from the downward API: metadata.namespace',
    ),
    podName: needed(
      settings.podName.env,
      take(settings.podName),
      'from the downward API: metadata.name',
    ),
    certificatePath: take(settings.clientCertPath),
    looks: take(settings.clientCertRetryCountLimit),
  }
}

function aws(
  take: Take,
  { environment, problems }: SourceContext,
): {
  origin: AwsOrigin
  region: string | undefined
} {
  const origin = awsOrigin(environment)
  const region = take(settings.awsRegion) ?? regionOf(environment, problems)
  if ('kind' in origin) return { origin, region }
  problems.push(origin)
  return { region, origin: { kind: 'instance', baseUrl: new URL('http://169.254.169.254') } }
}

function regionOf(
  environment: SourceContext['environment'],
  problems: Problem[],
): string | undefined {
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    const text = environment[name]?.trim() ?? ''
    if (text === '') continue
    const region = awsRegion(text)
    if (!(region instanceof Unfit)) return region
    problems.push(problemOf({ from: 'environment', name }, `"${text}" ${region.reason}`))
  }
  return undefined
}
