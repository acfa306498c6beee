import type { VariableProblem } from './aws-origin.ts'

/** A source of an Azure token. */
export type AzureSource =
  | 'azure-workload-identity'
  | 'azure-app-service'
  | 'azure-arc'
  | 'azure-imds'

/** Which source the environment names and by which variables, or what stands in the way. */
export type Selection =
  | { readonly source: AzureSource; readonly because: readonly string[] }
  | { readonly problems: readonly VariableProblem[] }

/** What is known of the machine. */
export interface EnvironmentFacts {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether Azure Arc's agent is installed: its program exists. */
  readonly hasArcAgent: boolean
}

/**
 * Where authn-azure's token comes from, by which documented variables are set; the first row that
 * fits. Rows are facts about the environment, never about what answers: a source that fails is not
 * followed by another.
 */
export function selectAzureSource({ environment, hasArcAgent }: EnvironmentFacts): Selection {
  const blank = Object.keys(environment).filter(
    (name) => DECISIVE.has(name) && /^\s+$/.test(environment[name] ?? ''),
  )
  if (blank.length > 0) {
    return { problems: blank.map((name) => ({ name, what: 'holds nothing but white space' })) }
  }
  const set = (name: string): boolean => (environment[name] ?? '') !== ''
  const all = (...names: string[]): boolean => names.every(set)

  if (set('AZURE_FEDERATED_TOKEN_FILE')) return workloadIdentity(environment, set)
  if (all('IDENTITY_ENDPOINT', 'IDENTITY_HEADER', 'IDENTITY_SERVER_THUMBPRINT')) {
    return unsupported('IDENTITY_SERVER_THUMBPRINT', 'Service Fabric')
  }
  if (all('IDENTITY_ENDPOINT', 'IDENTITY_HEADER')) {
    return isWindowsContainerGroup(environment['IDENTITY_ENDPOINT'])
      ? unsupported('IDENTITY_ENDPOINT', 'Windows in Container Instances')
      : chosen('azure-app-service', 'IDENTITY_ENDPOINT', 'IDENTITY_HEADER')
  }
  if (all('IDENTITY_ENDPOINT', 'IMDS_ENDPOINT')) {
    return chosen('azure-arc', 'IDENTITY_ENDPOINT', 'IMDS_ENDPOINT')
  }
  if (all('MSI_ENDPOINT', 'MSI_SECRET')) {
    return chosen('azure-app-service', 'MSI_ENDPOINT', 'MSI_SECRET')
  }
  if (set('MSI_ENDPOINT') && !set('IDENTITY_ENDPOINT')) {
    return unsupported('MSI_ENDPOINT', 'Cloud Shell')
  }
  if (hasArcAgent) return chosen('azure-arc')
  return chosen('azure-imds')
}

/** Where Azure Arc's agent has its program. */
export const ARC_AGENT = '/opt/azcmagent/bin/himds'

const DECISIVE: ReadonlySet<string> = new Set([
  'AZURE_FEDERATED_TOKEN_FILE',
  'IDENTITY_ENDPOINT',
  'IDENTITY_HEADER',
  'IDENTITY_SERVER_THUMBPRINT',
  'IMDS_ENDPOINT',
  'MSI_ENDPOINT',
  'MSI_SECRET',
])

function chosen(source: AzureSource, ...because: string[]): Selection {
  return { source, because }
}

function unsupported(name: string, place: string): Selection {
  return {
    problems: [{ name, what: `belongs to ${place}, whose identities this version cannot use` }],
  }
}

function workloadIdentity(
  environment: EnvironmentFacts['environment'],
  set: (name: string) => boolean,
): Selection {
  const problems: VariableProblem[] = []
  const require = (name: string, where: string): void => {
    if (!set(name)) {
      problems.push({ name, what: `is not set beside AZURE_FEDERATED_TOKEN_FILE; ${where}` })
    }
  }
  require('AZURE_CLIENT_ID', 'annotate the service account with azure.workload.identity/client-id')
  require('AZURE_TENANT_ID', 'annotate the service account with azure.workload.identity/tenant-id')
  problems.push(...tokenProxyProblems(environment, set))
  return problems.length > 0
    ? { problems }
    : chosen('azure-workload-identity', 'AZURE_FEDERATED_TOKEN_FILE')
}

function tokenProxyProblems(
  environment: EnvironmentFacts['environment'],
  set: (name: string) => boolean,
): readonly VariableProblem[] {
  const proxy = environment['AZURE_KUBERNETES_TOKEN_PROXY'] ?? ''
  if (proxy === '') {
    return ['AZURE_KUBERNETES_SNI_NAME', 'AZURE_KUBERNETES_CA_FILE', 'AZURE_KUBERNETES_CA_DATA']
      .filter(set)
      .map((name) => ({ name, what: 'is set without AZURE_KUBERNETES_TOKEN_PROXY' }))
  }
  const problems: VariableProblem[] = []
  if (set('AZURE_KUBERNETES_CA_FILE') && set('AZURE_KUBERNETES_CA_DATA')) {
    problems.push({
      name: 'AZURE_KUBERNETES_CA_DATA',
      what: 'is set beside AZURE_KUBERNETES_CA_FILE; unset one of them',
    })
  }
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.hash !== '') {
    problems.push({
      name: 'AZURE_KUBERNETES_TOKEN_PROXY',
      what: 'is no https URL without user, query and fragment',
    })
  }
  return problems
}

function isWindowsContainerGroup(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false
  const { port, pathname } = new URL(endpoint)
  return port === '2377' && pathname === '/metadata/identity/oauth2/token'
}
