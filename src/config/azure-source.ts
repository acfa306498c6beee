import { problemOf, type Problem } from './problems.ts'

/** A source of an Azure token. */
type AzureSource = 'azure-workload-identity' | 'azure-app-service' | 'azure-arc' | 'azure-imds'

/** Which source the environment names and by which variables, or what stands in the way. */
export type Selection =
  | { readonly source: AzureSource; readonly because: string }
  | { readonly problems: readonly Problem[] }

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
    return { problems: blank.map((name) => unfit(name, 'holds nothing but white space')) }
  }
  const set = (name: string): boolean => (environment[name] ?? '') !== ''
  const all = (...names: string[]): boolean => names.every(set)

  if (set('AZURE_FEDERATED_TOKEN_FILE')) {
    return chosen('azure-workload-identity', 'AZURE_FEDERATED_TOKEN_FILE')
  }
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
  if (hasArcAgent) return { source: 'azure-arc', because: `${ARC_AGENT} is installed` }
  return { source: 'azure-imds', because: 'authn-azure, and no variable names another source' }
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

function chosen(source: AzureSource, ...names: readonly string[]): Selection {
  const because = names.length > 1 ? `${names.join(' and ')} are set` : `${names[0] ?? ''} is set`
  return { source, because }
}

function unsupported(name: string, place: string): Selection {
  return {
    problems: [unfit(name, `belongs to ${place}, whose identities this version cannot use`)],
  }
}

function isWindowsContainerGroup(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false
  const { port, pathname } = new URL(endpoint)
  return port === '2377' && pathname === '/metadata/identity/oauth2/token'
}

function unfit(name: string, what: string): Problem {
  return problemOf({ from: 'environment', name }, what)
}
