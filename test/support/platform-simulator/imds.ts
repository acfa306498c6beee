import type { Endpoint, Reply, SeenRequest } from './platform.ts'
import { json } from './replies.ts'

export interface ManagedIdentity {
  readonly kind: 'system' | 'user'
  readonly clientId: string
  readonly objectId: string
  readonly resourceId: string
}

export interface SimulatedImdsOptions {
  /** Attached now; may change while running. */
  readonly identities: () => readonly ManagedIdentity[]
  readonly tokenFor: (identity: ManagedIdentity, resource: string) => Promise<string>
}

export const IMDS_HOST = '169.254.169.254'

const KNOWN_QUERY = new Set([
  'api-version',
  'resource',
  'client_id',
  'object_id',
  'msi_res_id',
  'mi_res_id',
])
const SELECTORS = ['client_id', 'object_id', 'msi_res_id', 'mi_res_id']

/** Azure's metadata service as Learn and the vendor's clients describe it. */
export function simulatedImds(options: SimulatedImdsOptions): Endpoint {
  return async (request, violation) => {
    inspect(request, violation)
    if (request.method !== 'GET') return json(405, { error: 'Method not allowed' })
    if (request.headers['metadata'] !== 'true') {
      return json(400, {
        error: 'bad_request_102',
        error_description: 'Required metadata header not specified',
      })
    }
    if (request.path !== '/metadata/identity/oauth2/token') return json(404, { error: 'Not found' })
    const version = request.query.get('api-version')
    if (version === null || version < '2018-02-01') {
      return json(400, {
        error: `Bad request. api-version is invalid`,
        'newest-versions': ['2021-02-01'],
      })
    }
    const resource = request.query.get('resource')
    if (resource === null)
      return json(400, { error: 'invalid_request', error_description: 'resource is required' })
    if (/unknown/.test(resource)) {
      return json(400, {
        error: 'invalid_resource',
        error_description: `AADSTS500011: The resource principal named ${resource} was not found`,
      })
    }
    return answer(request, resource, options)
  }
}

function inspect(request: SeenRequest, violation: (what: string) => void): void {
  const at = request.rawHeaders.findIndex((name) => name.toLowerCase() === 'metadata')
  if (request.rawHeaders[at] !== 'Metadata' || request.rawHeaders[at + 1] !== 'true') {
    violation(
      `Metadata header is ${request.rawHeaders[at] ?? 'missing'}: ${request.rawHeaders[at + 1] ?? ''}`,
    )
  }
  for (const name of request.query.keys())
    if (!KNOWN_QUERY.has(name)) violation(`unknown query name ${name}`)
  if (SELECTORS.filter((name) => request.query.has(name)).length > 1) violation('two selectors')
  if (request.query.get('resource')?.endsWith('/.default') === true)
    violation('a scope as resource')
}

async function answer(
  request: SeenRequest,
  resource: string,
  options: SimulatedImdsOptions,
): Promise<Reply> {
  const attached = options.identities()
  const selected = select(request.query, attached)
  if (selected === 'several') {
    return json(400, {
      error: 'invalid_request',
      error_description:
        'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
    })
  }
  if (selected === undefined) {
    return json(400, { error: 'invalid_request', error_description: 'Identity not found' })
  }
  return json(200, {
    access_token: await options.tokenFor(selected, resource),
    client_id: selected.clientId,
    expires_in: '86399',
    expires_on: '1800086399',
    ext_expires_in: '86399',
    not_before: '1799999700',
    resource,
    token_type: 'Bearer',
    refresh_token: '',
  })
}

function select(
  query: URLSearchParams,
  attached: readonly ManagedIdentity[],
): ManagedIdentity | 'several' | undefined {
  const wanted = SELECTORS.flatMap((name) => query.getAll(name))[0]
  if (wanted !== undefined) {
    return attached.find((one) => [one.clientId, one.objectId, one.resourceId].includes(wanted))
  }
  const system = attached.find(({ kind }) => kind === 'system')
  if (system !== undefined) return system
  return attached.length > 1 ? 'several' : attached[0]
}
