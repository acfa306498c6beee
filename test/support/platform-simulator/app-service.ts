import type { ManagedIdentity } from './imds.ts'
import type { Endpoint, Reply } from './platform.ts'
import { exactHeader, json } from './replies.ts'

export interface SimulatedAppServiceOptions {
  /** The header's value now; may change while running. */
  readonly header: () => string
  readonly identities: () => readonly ManagedIdentity[]
  readonly tokenFor: (identity: ManagedIdentity, resource: string) => Promise<string>
}

const QUERY = {
  '2019-08-01': ['client_id', 'principal_id', 'mi_res_id'],
  '2017-09-01': ['clientid'],
} as const

/** App Service's identity endpoint with both its protocols, at `/msi/token?own=1`. */
export function simulatedAppService(options: SimulatedAppServiceOptions): Endpoint {
  return async (request, violation) => {
    const version = request.query.get('api-version')
    if (version !== '2019-08-01' && version !== '2017-09-01') return json(400, { statusCode: 400 })
    const selectors = QUERY[version].filter((name) => request.query.has(name))
    const known = new Set<string>(['api-version', 'resource', 'own', ...QUERY[version]])
    for (const name of request.query.keys())
      if (!known.has(name)) violation(`unknown query name ${name}`)
    if (selectors.length > 1) violation('two selectors')
    if (request.headers['metadata'] !== undefined) violation('a Metadata header')
    if (request.method !== 'GET') return json(405, {})
    if (request.path !== '/msi/token') return json(404, {})
    const name = version === '2019-08-01' ? 'X-IDENTITY-HEADER' : 'secret'
    const header = exactHeader(request.rawHeaders, name)
    if (header === undefined) violation(`no header ${name}`)
    if (header !== options.header()) return json(401, {})
    const resource = request.query.get('resource') ?? ''
    if (/unknown/.test(resource)) {
      return json(500, {
        statusCode: 500,
        message: 'An unexpected error occured while fetching the AAD Token.',
        correlationId: '6a6a6a6a-0000-4000-8000-000000000000',
      })
    }
    return answer(version, { wanted: request.query.get(selectors[0] ?? ''), resource }, options)
  }
}

async function answer(
  version: '2019-08-01' | '2017-09-01',
  { wanted, resource }: { wanted: string | null; resource: string },
  options: SimulatedAppServiceOptions,
): Promise<Reply> {
  const selected = options
    .identities()
    .find(({ kind, clientId, objectId, resourceId }) =>
      wanted === null ? kind === 'system' : [clientId, objectId, resourceId].includes(wanted),
    )
  if (selected === undefined) {
    const correlationId = '6a6a6a6a-0000-4000-8000-000000000000'
    return version === '2019-08-01'
      ? json(400, {
          statusCode: 400,
          message:
            'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.',
          correlationId,
        })
      : json(400, { StatusCode: 400, Message: 'No MSI found for specified ClientId/ResourceId.' })
  }
  return json(200, {
    access_token: await options.tokenFor(selected, resource),
    expires_on: version === '2019-08-01' ? '1800086399' : '1/20/2027 9:05:00 AM +00:00',
    resource,
    token_type: 'Bearer',
    client_id: selected.clientId.toUpperCase(),
  })
}
