import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readGiven } from '../../src/config/given.ts'
import { readConfig } from '../../src/config/load.ts'
import { startDevserver } from '../../src/devserver/server.ts'
import { examine } from '../../src/doctor/examine.ts'
import { planFor, type Plan } from '../../src/doctor/plan.ts'
import { policyText } from '../../src/doctor/policy.ts'
import { createTools } from '../../src/doctor/tools.ts'
import { azureClaims, serviceAccountClaims } from '../support/token-maker.ts'
import {
  startBench,
  startIssuer,
  type Bench,
  type Environment,
  type IssuerOptions,
} from './bench.ts'

interface Trip {
  readonly name: string
  readonly issuer?: IssuerOptions
  readonly claims: Readonly<Record<string, unknown>>
  readonly environment: Environment
  readonly flags?: Readonly<Record<string, string>>
  /** Who is logged in at the end. */
  readonly login: string
  /** What the host is bound to, in the policy's own lines. */
  readonly annotations: Readonly<Record<string, string>>
}

const VM = azureClaims()
const USER_ASSIGNED = azureClaims({
  xms_mirid:
    '/subscriptions/5a5a5a5a-2222-4b4b-9c9c-000000000002/resourcegroups/rg-web/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-web',
})
const AZURE = {
  CONJUR_AUTHENTICATOR: 'authn-azure/prod',
  CONJUR_IDENTITY_SOURCE: 'projected-token',
}
const SUBSCRIPTION = {
  'authn-azure/subscription-id': '5a5a5a5a-2222-4b4b-9c9c-000000000002',
  'authn-azure/resource-group': 'rg-web',
}

const trips: readonly Trip[] = [
  {
    name: 'authn-jwt with the login in the URL',
    claims: serviceAccountClaims(),
    environment: {},
    login: 'host/apps/web',
    annotations: {
      'authn-jwt/prod/kubernetes.io/namespace': 'shop',
      'authn-jwt/prod/kubernetes.io/serviceaccount/name': 'web',
    },
  },
  {
    name: 'authn-jwt with a login at the root of the account',
    claims: serviceAccountClaims(),
    environment: { CONJUR_AUTHN_LOGIN: 'host/web' },
    login: 'host/web',
    annotations: {
      'authn-jwt/prod/kubernetes.io/namespace': 'shop',
      'authn-jwt/prod/kubernetes.io/serviceaccount/name': 'web',
    },
  },
  {
    name: 'authn-jwt with the host named by the token',
    claims: serviceAccountClaims(),
    environment: { CONJUR_AUTHN_LOGIN: undefined },
    login: 'host/apps/system:serviceaccount:shop:web',
    annotations: {
      'authn-jwt/prod/kubernetes.io/namespace': 'shop',
      'authn-jwt/prod/kubernetes.io/serviceaccount/name': 'web',
    },
  },
  {
    name: 'authn-jwt by namespace alone',
    claims: serviceAccountClaims(),
    environment: {},
    flags: { match: 'namespace' },
    login: 'host/apps/web',
    annotations: { 'authn-jwt/prod/kubernetes.io/namespace': 'shop' },
  },
  {
    name: 'authn-jwt by subject, in a policy three deep',
    claims: serviceAccountClaims({ aud: 'conjur' }),
    environment: { CONJUR_AUTHN_LOGIN: 'host/teams/shop/prod/web' },
    flags: { match: 'subject' },
    login: 'host/teams/shop/prod/web',
    annotations: { 'authn-jwt/prod/sub': 'system:serviceaccount:shop:web' },
  },
  {
    name: 'authn-jwt with an issuer that ends in a slash',
    issuer: { path: '/c7/' },
    claims: serviceAccountClaims(),
    environment: {},
    login: 'host/apps/web',
    annotations: {
      'authn-jwt/prod/kubernetes.io/namespace': 'shop',
      'authn-jwt/prod/kubernetes.io/serviceaccount/name': 'web',
    },
  },
  {
    name: 'authn-jwt with an Azure token that authn-azure would never take',
    issuer: { path: '/tenant/v2.0' },
    claims: azureClaims({ ver: '2.0', xms_mirid: undefined }),
    environment: {},
    login: 'host/apps/web',
    annotations: { 'authn-jwt/prod/oid': '9d9d9d9d-4444-4f4f-9a9a-000000000004' },
  },
  {
    name: 'authn-azure with a system-assigned identity',
    issuer: { path: '/tenant/' },
    claims: VM,
    environment: AZURE,
    login: 'host/apps/web',
    annotations: {
      ...SUBSCRIPTION,
      'authn-azure/system-assigned-identity': '9d9d9d9d-4444-4f4f-9a9a-000000000004',
    },
  },
  {
    name: 'authn-azure with a user-assigned identity',
    issuer: { path: '/tenant/' },
    claims: USER_ASSIGNED,
    environment: AZURE,
    login: 'host/apps/web',
    annotations: { ...SUBSCRIPTION, 'authn-azure/user-assigned-identity': 'id-web' },
  },
  {
    name: 'authn-azure by resource group alone',
    issuer: { path: '/tenant/' },
    claims: USER_ASSIGNED,
    environment: AZURE,
    flags: { match: 'resource-group' },
    login: 'host/apps/web',
    annotations: SUBSCRIPTION,
  },
  {
    name: 'authn-oidc with an ID token',
    claims: { sub: 'u-1', preferred_username: 'web@shop', aud: 'conjur' },
    environment: { CONJUR_AUTHENTICATOR: 'authn-oidc/prod', CONJUR_AUTHN_LOGIN: undefined },
    login: 'web@shop',
    annotations: {},
  },
]

async function planOf(
  environment: Environment,
  flags: Readonly<Record<string, string>> = {},
): Promise<Plan> {
  const given = await readGiven({ flags: {}, environment })
  const { tools, close } = createTools({ given, timeoutMs: 5000, operatorToken: undefined })
  const plan = await planFor(
    { ...(await readConfig(given)), flags },
    tools,
    new AbortController().signal,
  )
  await close()
  return plan
}

function authenticatorValues({ policy, settings }: Plan): Record<string, string> {
  const { type, serviceId } = policy.authenticator
  return Object.fromEntries(
    settings.map(({ name, value }) => [`conjur/${type}/${serviceId}/${name}`, value ?? '']),
  )
}

async function loginWith(
  plan: Plan,
  environment: Environment,
): Promise<{ said: string; refusals: readonly string[] }> {
  const { authenticator, workload } = policyText(plan.policy)
  const refusals: string[] = []
  await using conjur = Object.assign(
    await startDevserver({
      account: 'acme',
      policy: authenticator + workload,
      values: {
        ...authenticatorValues(plan),
        ...Object.fromEntries(plan.policy.variableIds.map((id) => [id, 'a value'])),
      },
      explain: (line) => refusals.push(line),
    }),
    {
      async [Symbol.asyncDispose](): Promise<void> {
        await conjur.close()
      },
    },
  )
  const given = await readGiven({
    flags: {},
    environment: {
      ...environment,
      CONJUR_APPLIANCE_URL: conjur.url,
      CONJUR_SSL_CERTIFICATE: conjur.ca,
    },
  })
  const { tools, close } = createTools({ given, timeoutMs: 5000, operatorToken: undefined })
  const listener = { started: () => undefined, finished: () => undefined }
  const { signal } = new AbortController()
  const steps = await examine({ tools, until: 'variables', listener, signal })
  await close()
  return { said: steps.map(({ id, message }) => `${id}: ${message}`).join('\n'), refusals }
}

async function workloadOf(bench: Bench, trip: Trip): Promise<Environment> {
  const issuer = await startIssuer(trip.issuer)
  issuers.push(issuer)
  bench.present(await issuer.make(trip.claims))
  return {
    ...bench.environment,
    CONJUR_OIDC_TOKEN_FILE: bench.tokenFile,
    ...trip.environment,
  }
}

const issuers: AsyncDisposable[] = []

test.each(trips)('$name: what policy prints lets the very token in', async (trip) => {
  await using bench = await startBench()
  const environment = await workloadOf(bench, trip)

  const plan = await planOf(environment, trip.flags)
  const { said, refusals } = await loginWith(plan, environment)
  await Promise.all(issuers.splice(0).map((issuer) => issuer[Symbol.asyncDispose]()))

  expect(refusals.filter((line) => !line.startsWith('200 '))).toEqual([])
  expect(said).toContain(`login: ${trip.login}, access token for 8 min`)
  expect(said).toContain('variables: 3 readable')
  expect(plan.policy.annotations).toEqual(trip.annotations)
})

test('keys from a file become public-keys, so that Conjur need not reach the issuer', async () => {
  await using bench = await startBench()
  const jwks = bench.file('jwks.json', JSON.stringify(bench.issuer.jwks))

  const plan = await planOf(bench.environment, { jwks })
  await bench.issuer[Symbol.asyncDispose]()
  const { said } = await loginWith(plan, bench.environment)

  expect(plan.settings.map(({ name }) => name)).toEqual(['issuer', 'public-keys', 'audience'])
  expect(said).toContain('login: host/apps/web')
})

test('an issuer that only the cluster resolves gets public-keys, and the way to them', async () => {
  await using bench = await startBench({
    claims: { iss: 'https://kubernetes.default.svc.cluster.local' },
  })

  const { settings } = await planOf(bench.environment)

  expect(settings).toContainEqual({
    name: 'public-keys',
    value: undefined,
    from: 'kubectl get --raw /openid/v1/jwks > jwks.json; conjur-agent policy --jwks jwks.json --values',
  })
})

test('variables of another branch are declared and permitted by their whole id', async () => {
  await using bench = await startBench()
  const environment = {
    ...bench.environment,
    CONJUR_SECRETS__DB: '- billing/key\n- apps/web/db-user\n',
    CONJUR_SECRETS__API: '- ops/token\n',
  }

  const plan = await planOf(environment)
  const { said } = await loginWith(plan, environment)

  expect(said).toContain('variables: 3 readable')
})

test.each([
  ['jwt', 'issuer=https://oidc.example.com/c7,namespace=shop,service-account=web,audience=conjur'],
  ['azure', 'tenant-id=t,subscription-id=s,resource-group=rg,user-assigned-identity=id-web'],
  ['oidc', 'issuer=https://idp.example.com,user=alice'],
  ['gcp', 'project-id=shop,service-account-email=web@shop.example'],
  ['iam', 'account=011234567890,role=web-role'],
])('--for %s prints a policy that loads, without any token', async (kind, answers) => {
  const plan = await planOf({}, { for: kind, answers })
  const { authenticator, workload } = policyText(plan.policy)

  const conjur = await startDevserver({ policy: authenticator + workload })
  await conjur.close()

  expect(plan.policy.authenticator.type).toBe(`authn-${kind}`)
  expect(parse(authenticator + workload, { logLevel: 'silent' })).toHaveLength(3)
})

test("a principal id out of a deployment's output lets that system-assigned identity in", async () => {
  await using bench = await startBench()
  await using issuer = await startIssuer({ path: '/tenant/' })
  bench.present(await issuer.make(azureClaims()))
  const environment = { ...bench.environment, ...AZURE }
  // What `az deployment group show --query properties.outputs` prints after a Bicep file with such an output.
  const outputs = JSON.parse(
    '{"principalId":{"type":"String","value":"9d9d9d9d-4444-4f4f-9a9a-000000000004"}}',
  )
  const answers = [
    'tenant-id=0f1e2d3c-1111-4a4a-8b8b-000000000001',
    'subscription-id=5a5a5a5a-2222-4b4b-9c9c-000000000002',
    'resource-group=rg-web',
    `system-assigned-identity=${outputs.principalId.value}`,
    `issuer=${issuer.issuer}`,
  ].join(',')

  const plan = await planOf(environment, { for: 'azure', answers })
  const { said } = await loginWith(plan, environment)

  expect(said).toContain('login: host/apps/web, access token for 8 min')
})

test('provider-uri of authn-jwt has no slash at its end, since Conjur puts one behind it', async () => {
  await using bench = await startBench({ issuer: { path: '/c7/' } })

  const { settings } = await planOf(bench.environment)

  expect(settings.slice(0, 2)).toEqual([
    { name: 'issuer', value: bench.issuer.issuer },
    { name: 'provider-uri', value: bench.issuer.issuer.slice(0, -1) },
  ])
})
