import { isLocalHost, isPrivateHost } from '../core/local-host.ts'
import { Secret } from '../core/secret.ts'
import type { Needed, SourceContext } from './identity-context.ts'
import { missing, problemOf, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { settings } from './settings.ts'

/** The token that is asked for, and whose. */
export interface ManagedIdentity {
  readonly resource: string
  readonly selector: AzureSelector | undefined
}

interface AzureSelector {
  readonly kind: 'clientId' | 'objectId' | 'resourceId'
  readonly value: string
}

export interface AppService {
  readonly endpoint: URL
  readonly headerValue: Secret
  readonly protocol: '2019-08-01' | '2017-09-01'
}

export interface WorkloadIdentity {
  readonly tokenFile: string
  readonly clientId: string
  readonly tenantId: string
  readonly authorityHost: URL
  readonly resource: string
  readonly tokenProxy: TokenProxy | undefined
}

/** What takes Azure's token request in place of the authority host, and whom to trust there. */
interface TokenProxy {
  readonly url: URL
  readonly serverName: string | undefined
  readonly ca: { readonly pem: string } | { readonly file: string } | undefined
}

/** What every way of asking for a managed identity's token is told. */
export function managedIdentity(take: Take, context: SourceContext): ManagedIdentity {
  const resource = take(settings.authnAzureResource)
  const own = selector(take, context.problems)
  const byConvention = take(settings.azureClientId)
  tellUnused(context)
  if (own !== undefined || byConvention === undefined) return { resource, selector: own }
  // As in Azure's own libraries.
  const text =
    'AZURE_CLIENT_ID chooses the managed identity; CONJUR_AUTHN_AZURE_CLIENT_ID would win'
  context.notes.push({ level: 'info', text })
  return { resource, selector: { kind: 'clientId', value: byConvention } }
}

/** What Azure's libraries would log in with, and we never do. */
const UNUSED = ['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PATH', 'AZURE_USERNAME']

function tellUnused({ environment, notes }: SourceContext): void {
  const found = UNUSED.filter((name) => set(environment[name]))
  if (found.length === 0) return
  notes.push({ level: 'info', text: `${found.join(', ')}: not used; an identity needs no secret` })
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

/** App Service's endpoint by its current pair of variables, else by the older one. */
export function appService({ environment, problems }: SourceContext): AppService {
  const isCurrent = set(environment['IDENTITY_ENDPOINT']) && set(environment['IDENTITY_HEADER'])
  const isOlder = !isCurrent && set(environment['MSI_ENDPOINT'])
  const [endpoint, header] = isOlder
    ? ['MSI_ENDPOINT', 'MSI_SECRET']
    : ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER']
  for (const name of [endpoint, header]) {
    if (!set(environment[name])) {
      problems.push(missing(name, 'App Service and Container Apps set it'))
    }
  }
  if (/[^\x21-\x7e]/.test(environment[header] ?? '')) {
    const what = 'holds white space or control characters, which no header carries'
    problems.push(problemOf({ from: 'environment', name: header }, what))
  }
  return {
    endpoint:
      platformUrl(endpoint, isPrivateHost, { environment, problems }) ??
      new URL('http://localhost'),
    headerValue: new Secret(environment[header] ?? ''),
    protocol: isOlder ? '2017-09-01' : '2019-08-01',
  }
}

/** Where Arc's agent listens, if the environment says. */
export function arcEndpoint(context: SourceContext): URL | undefined {
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

/** What Azure's workload-identity webhook sets. */
export function workloadIdentity(
  take: Take,
  needed: Needed,
  context: SourceContext,
): WorkloadIdentity {
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

function set(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}
