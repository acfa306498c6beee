import { createLocalJWKSet, jwtVerify, type JWTPayload } from 'jose'
import { createIssuer } from './issuer.ts'
import { SERVICE_ACCOUNT, type SimulatedKubernetes } from './kubernetes.ts'
import { serve, type Answer, type Asked, type Loopback } from './loopback.ts'

export const TENANT = '0f1e2d3c-1111-4a4a-8b8b-000000000001'
export const SUBSCRIPTION = '5a5a5a5a-2222-4b4b-9c9c-000000000002'
export const CLIENT = '7c7c7c7c-3333-4d4d-8e8e-000000000003'
/** The object id of the virtual machine's own identity. */
export const VM_OBJECT = '9d9d9d9d-4444-4f4f-9a9a-000000000004'
/** What a federated token must be meant for. */
export const EXCHANGE_AUDIENCE = 'api://AzureADTokenExchange'

/** Simulated Azure: Entra with one tenant, and the metadata service of one virtual machine. */
export interface SimulatedAzure {
  /** Discovery, keys and the token endpoint, as `AZURE_AUTHORITY_HOST`. */
  readonly entra: Loopback
  /** What authn-azure's provider-uri is set to. */
  readonly issuer: string
  /** As `AZURE_POD_IDENTITY_AUTHORITY_HOST`. */
  readonly metadata: Loopback
  close(): Promise<void>
}

const LIFE_SECONDS = 3600

/** Its federated credential trusts the simulated cluster's service account. */
export async function simulateAzure(kubernetes: SimulatedKubernetes): Promise<SimulatedAzure> {
  const keys = await createIssuer('simulated-entra')
  const issue = (iss: string, claims: JWTPayload): Promise<string> =>
    keys.sign({ iss, tid: TENANT, ver: '1.0', idtyp: 'app', ...claims }, LIFE_SECONDS)
  const entra = await serve(async (asked, url) => {
    const issuer = `${url}/${TENANT}/`
    switch (asked.path) {
      case `/${TENANT}/.well-known/openid-configuration`:
        return {
          status: 200,
          json: {
            issuer,
            jwks_uri: `${url}/keys`,
            id_token_signing_alg_values_supported: ['RS256'],
          },
        }
      case '/keys':
        return { status: 200, json: keys.keys }
      case `/${TENANT}/oauth2/v2.0/token`:
        return exchange(asked, kubernetes, (audience) =>
          issue(issuer, { aud: audience, ...userAssigned }),
        )
      default:
        return { status: 404, json: { error: 'not simulated' } }
    }
  })
  const issuer = `${entra.url}/${TENANT}/`
  const metadata = await serve((asked) =>
    managedIdentity(asked, (audience) => issue(issuer, { aud: audience, ...systemAssigned })),
  )
  return {
    entra,
    issuer,
    metadata,
    close: async () => void (await Promise.all([entra.close(), metadata.close()])),
  }
}

const group = `/subscriptions/${SUBSCRIPTION}/resourcegroups/rg-shop/providers`

const systemAssigned = {
  oid: VM_OBJECT,
  sub: VM_OBJECT,
  xms_mirid: `${group}/Microsoft.Compute/virtualMachines/vm-web`,
}

const userAssigned = {
  appid: CLIENT,
  oid: '9e9e9e9e-4444-4f4f-8a8a-000000000005',
  sub: '9e9e9e9e-4444-4f4f-8a8a-000000000005',
  xms_mirid: `${group}/Microsoft.ManagedIdentity/userAssignedIdentities/id-web`,
}

type Issue = (audience: string) => Promise<string>

async function managedIdentity(asked: Asked, issue: Issue): Promise<Answer> {
  const { path, query, headers } = asked
  if (path !== '/metadata/identity/oauth2/token') return refused(404, 'Not found')
  if (headers['metadata'] !== 'true') {
    return refused(400, 'Required metadata header not specified')
  }
  const resource = query.get('resource')
  if ((query.get('api-version') ?? '') < '2018-02-01' || resource === null) {
    return refused(400, 'api-version and resource are required')
  }
  return {
    status: 200,
    json: {
      access_token: await issue(resource),
      expires_in: String(LIFE_SECONDS),
      expires_on: String(Math.floor(Date.now() / 1000) + LIFE_SECONDS),
      resource,
      token_type: 'Bearer',
    },
  }
}

/** Verifies the federated token against the cluster's keys before it issues anything. */
async function exchange(
  { body }: Asked,
  kubernetes: SimulatedKubernetes,
  issue: Issue,
): Promise<Answer> {
  const form = new URLSearchParams(body)
  const scope = form.get('scope') ?? ''
  if (form.get('client_id') !== CLIENT) return refused(400, 'AADSTS700016: no such client')
  if (!scope.endsWith('/.default')) return refused(400, 'AADSTS70011: the scope is not valid')
  try {
    await jwtVerify(form.get('client_assertion') ?? '', createLocalJWKSet(kubernetes.keys), {
      issuer: kubernetes.url,
      audience: EXCHANGE_AUDIENCE,
      subject: SERVICE_ACCOUNT,
    })
  } catch {
    return refused(401, 'AADSTS70021: no matching federated identity record found')
  }
  return {
    status: 200,
    json: {
      token_type: 'Bearer',
      expires_in: LIFE_SECONDS,
      access_token: await issue(scope.replace(/\.default$/, '')),
    },
  }
}

function refused(status: number, description: string): Answer {
  return { status, json: { error: 'invalid_request', error_description: description } }
}
