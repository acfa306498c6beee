import { isLocalHost, isPrivateHost } from '../core/local-host.ts'
import { Secret } from '../core/secret.ts'
import { awsOrigin, type AwsOrigin } from './aws-origin.ts'
import type { IdentitySourceName } from './identity-table.ts'
import { awsRegion } from './identity-values.ts'
import { missing, problemOf, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { Unfit } from './setting.ts'
import { settings } from './settings.ts'
import type { Sources } from './sources.ts'

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
  | (ManagedIdentity & {
      readonly kind: 'azure-app-service'
      readonly endpoint: URL
      readonly headerValue: Secret
      readonly protocol: '2019-08-01' | '2017-09-01'
    })
  | (ManagedIdentity & { readonly kind: 'azure-arc'; readonly endpoint: URL | undefined })
  | {
      readonly kind: 'azure-workload-identity'
      readonly tokenFile: string
      readonly clientId: string
      readonly tenantId: string
      readonly authorityHost: URL
      readonly resource: string
      readonly tokenProxy: TokenProxy | undefined
    }
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
      readonly kind: 'command'
      readonly command: readonly [string, ...string[]]
      readonly yields: 'jwt' | 'api-key'
      readonly deadlineMs: number
    }

interface ManagedIdentity {
  readonly resource: string
  readonly selector: AzureSelector | undefined
}

interface AzureSelector {
  readonly kind: 'clientId' | 'objectId' | 'resourceId'
  readonly value: string
}

/** What takes Azure's token request in place of the authority host, and whom to trust there. */
export interface TokenProxy {
  readonly url: URL
  readonly serverName: string | undefined
  readonly ca: { readonly pem: string } | { readonly file: string } | undefined
}

/** What a source is read from besides the settings. */
export interface SourceContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly account: string | undefined
  readonly login: string | undefined
  readonly authenticator: { readonly type: string } | undefined
  readonly found: Sources
  readonly problems: Problem[]
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

type Needed = (name: string, value: string | undefined, what: string) => string

/** Yields what is there; what is not is a problem, and the empty text, which nobody will use. */
function neededFrom(problems: Problem[]): Needed {
  return (name, value, what) => {
    if (value === undefined) problems.push(missing(name, what))
    return value ?? ''
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

function managedIdentity(take: Take, context: SourceContext): ManagedIdentity {
  // Without a selector of ours AZURE_CLIENT_ID counts, by the convention of Azure's own libraries.
  const byConvention = take(settings.azureClientId)
  return {
    resource: take(settings.authnAzureResource),
    selector:
      selector(take, context.problems) ??
      (byConvention === undefined ? undefined : { kind: 'clientId', value: byConvention }),
  }
}

function selector(take: Take, problems: Problem[]): AzureSelector | undefined {
  const selectors = (
    [
      ['clientId', take(settings.authnAzureClientId)],
      ['objectId', take(settings.authnAzureObjectId)],
      ['resourceId', take(settings.authnAzureResourceId)],
    ] as const
  ).flatMap(([kind, value]): AzureSelector[] => (value === undefined ? [] : [{ kind, value }]))
  if (selectors.length > 1) {
    problems.push(
      missing(
        'CONJUR_AUTHN_AZURE_…_ID',
        'more than one is set; an identity has one name, keep one',
      ),
    )
  }
  return selectors[0]
}

function appService({ environment, problems }: SourceContext): {
  endpoint: URL
  headerValue: Secret
  protocol: '2019-08-01' | '2017-09-01'
} {
  const isCurrent = set(environment['IDENTITY_ENDPOINT']) && set(environment['IDENTITY_HEADER'])
  const isOlder = !isCurrent && set(environment['MSI_ENDPOINT'])
  const [endpoint, header] = isOlder
    ? ['MSI_ENDPOINT', 'MSI_SECRET']
    : ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER']
  for (const name of [endpoint, header]) {
    if (!set(environment[name]))
      problems.push(missing(name, 'App Service and Container Apps set it'))
  }
  return {
    endpoint:
      platformUrl(endpoint, isPrivateHost, { environment, problems }) ??
      new URL('http://localhost'),
    headerValue: new Secret(environment[header] ?? ''),
    protocol: isOlder ? '2017-09-01' : '2019-08-01',
  }
}

function arcEndpoint(context: SourceContext): URL | undefined {
  return set(context.environment['IDENTITY_ENDPOINT'])
    ? platformUrl('IDENTITY_ENDPOINT', isLocalHost, context)
    : undefined
}

/** The URL that the platform put into a variable, if its host may be asked for a credential (P8). */
function platformUrl(
  name: string,
  isFit: (hostname: string) => boolean,
  { environment, problems }: Pick<SourceContext, 'environment' | 'problems'>,
): URL | undefined {
  const text = environment[name] ?? ''
  if (!set(text)) return undefined
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    problems.push(problemOf({ from: 'environment', name }, 'is no URL'))
    return undefined
  }
  const url = new URL(text)
  if (!isFit(url.hostname)) {
    const what = `names ${url.host}, which is not this machine's own endpoint`
    problems.push(problemOf({ from: 'environment', name }, what))
  }
  return url
}

function workloadIdentity(
  take: Take,
  needed: Needed,
  context: SourceContext,
): Omit<Extract<IdentitySourceConfig, { kind: 'azure-workload-identity' }>, 'kind'> {
  const own = selector(take, context.problems)
  return {
    resource: take(settings.authnAzureResource),
    tokenFile: needed(
      'AZURE_FEDERATED_TOKEN_FILE',
      take(settings.azureFederatedTokenFile),
      'label the pod azure.workload.identity/use: "true"',
    ),
    clientId: needed(
      'AZURE_CLIENT_ID',
      own?.kind === 'clientId' ? own.value : take(settings.azureClientId),
      'annotate the ServiceAccount azure.workload.identity/client-id',
    ),
    tenantId: needed(
      'AZURE_TENANT_ID',
      take(settings.azureTenantId),
      "the Entra tenant; Azure's webhook sets it",
    ),
    authorityHost: take(settings.azureAuthorityHost),
    tokenProxy: tokenProxy(context),
  }
}

function tokenProxy({ environment, problems }: SourceContext): TokenProxy | undefined {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined
  const unfit = (name: string, what: string): void => {
    problems.push(problemOf({ from: 'environment', name }, what))
  }
  const proxy = read('AZURE_KUBERNETES_TOKEN_PROXY')
  const serverName = read('AZURE_KUBERNETES_SNI_NAME')
  const file = read('AZURE_KUBERNETES_CA_FILE')
  const pem = read('AZURE_KUBERNETES_CA_DATA')
  if (proxy === undefined) {
    if (serverName !== undefined) unfit('AZURE_KUBERNETES_SNI_NAME', WITHOUT_PROXY)
    if (file !== undefined) unfit('AZURE_KUBERNETES_CA_FILE', WITHOUT_PROXY)
    if (pem !== undefined) unfit('AZURE_KUBERNETES_CA_DATA', WITHOUT_PROXY)
    return undefined
  }
  if (file !== undefined && pem !== undefined) {
    unfit('AZURE_KUBERNETES_CA_DATA', 'is set beside AZURE_KUBERNETES_CA_FILE; unset one of them')
  }
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.hash !== '') {
    unfit('AZURE_KUBERNETES_TOKEN_PROXY', 'is no https URL without user, query and fragment')
    return undefined
  }
  return {
    url,
    serverName,
    ca: file === undefined ? (pem === undefined ? undefined : { pem }) : { file },
  }
}

const WITHOUT_PROXY = 'is set without AZURE_KUBERNETES_TOKEN_PROXY'

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

function set(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}
