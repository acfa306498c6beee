import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import { SendFailure } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { azureAppService } from '../../src/identity/azure-app-service.ts'
import { azureImds } from '../../src/identity/azure-imds.ts'
import { azureWorkload } from '../../src/identity/azure-workload.ts'
import type { IdentitySelector } from '../../src/identity/managed-identity.ts'
import type { IdentitySource } from '../../src/identity/source.ts'
import { hastyClock } from '../support/fake-clock.ts'
import { reply, scriptedSend } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { says, told, unsignedJwt, type Around } from '../support/told.ts'

const resource = 'https://management.azure.com/'
const CLIENT = { kind: 'clientId', value: 'c-web' } as const
const OBJECT = { kind: 'objectId', value: 'o-web' } as const
const RESOURCE = { kind: 'resourceId', value: '/r/web' } as const
const directory = await temporaryDirectory()
const tokenFile = join(directory.path, 'token')
await writeFile(tokenFile, unsignedJwt())
afterAll(() => directory[Symbol.asyncDispose]())

const REFUSED = { code: 'IDENTITY_REFUSED', retryable: false, waits: [] }
const NOT_READY = { code: 'IDENTITY_NOT_READY', retryable: true }

describe('P5 what the metadata service answers is told whole', () => {
  const from = 'the metadata service at 169.254.169.254'
  const see =
    "curl --noproxy '*' -sS -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01' tells whether this is an Azure machine"
  const patient = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
  const imds =
    (selector?: IdentitySelector) =>
    (around: Around): IdentitySource =>
      azureImds({ ...around, apiVersion: '2018-02-01', resource, selector })

  test.each([
    [404, '404', patient],
    [410, '410', Array.from({ length: 7 }, () => 10_000)],
    [429, '429', patient],
    [500, '500', patient],
    [599, '599', patient],
  ])('%i is waited out', async (status, words, waits) => {
    expect(await told(imds(), reply(status))).toEqual({
      ...NOT_READY,
      message: `${from} answers ${words}`,
      hint: `it is updating or throttling, wait; else ${see}`,
      facts: { from, status },
      waits,
    })
  })

  test.each([200, 400])(
    '%i of a container group that is starting is waited out',
    async (status) => {
      expect(await told(imds(), reply(status, '{"error":"Received invalid token"}'))).toEqual({
        ...NOT_READY,
        message: `${from} is still starting`,
        hint: 'wait; if it lasts more than five minutes, recreate the container group',
        facts: { from, status, error: 'Received invalid token' },
        waits: patient,
      })
    },
  )

  test.each([
    [undefined, 'managed identity', 'CONJUR_AUTHN_AZURE_CLIENT_ID'],
    [CLIENT, 'managed identity with client id c-web', 'CONJUR_AUTHN_AZURE_CLIENT_ID'],
    [OBJECT, 'managed identity with object id o-web', 'CONJUR_AUTHN_AZURE_OBJECT_ID'],
    [RESOURCE, 'managed identity with resource id /r/web', 'CONJUR_AUTHN_AZURE_RESOURCE_ID'],
  ])('an identity that is not attached (%o) is named, after some seconds', async (...row) => {
    const [selector, words, setting] = row
    const said = { error: 'invalid_request', error_description: 'IDENTITY not found' }

    expect(await told(imds(selector), says(400, said))).toEqual({
      code: 'IDENTITY_ABSENT',
      retryable: false,
      message: `no ${words} is attached to this machine`,
      hint: `attach it (az vm identity assign, az container create --assign-identity), or correct ${setting}`,
      facts: { from, status: 400, error: said.error, description: said.error_description },
      waits: [1000, 2000, 4000],
    })
  })

  test('several identities and no choice', async () => {
    expect(
      await told(imds(), reply(400, 'Multiple user assigned identities exist, please specify')),
    ).toEqual({
      ...REFUSED,
      message: 'several managed identities are attached and none is chosen',
      hint: 'name the one that Conjur knows in CONJUR_AUTHN_AZURE_CLIENT_ID (az vm identity show lists them)',
      facts: { from, status: 400 },
    })
  })

  test('no metadata service, but something that answers 403 for it', async () => {
    expect(await told(imds(), reply(403, 'attempted to an Unreachable network'))).toEqual({
      code: 'IDENTITY_ABSENT',
      retryable: false,
      message: `${from} is not there: something else answers 403`,
      hint: 'this is no Azure machine; name another identity in CONJUR_IDENTITY_SOURCE',
      facts: { from, status: 403 },
      waits: [],
    })
  })

  const wrongResource =
    'correct CONJUR_AUTHN_AZURE_RESOURCE: the tenant does not know it (default https://management.azure.com/)'
  const wrongVersion = 'correct CONJUR_AUTHN_AZURE_API_VERSION (default 2018-02-01)'
  const compare =
    'see which identities are attached (az vm identity show) and compare CONJUR_AUTHN_AZURE_OBJECT_ID'
  test.each([
    [400, 'invalid_resource', wrongResource],
    [400, 'AADSTS500011: no such principal', wrongResource],
    [400, 'AADSTS50001: no such resource', wrongResource],
    [400, 'AADSTS500019: of something else', compare],
    [400, 'Bad request. api-version is invalid', wrongVersion],
    [400, '{"newest-versions":["2021-02-01"]}', wrongVersion],
    [400, 'an unreachable network', compare],
    [403, '', compare],
    [401, '', compare],
  ])('%i %s is refused, with what to correct', async (status, body, hint) => {
    expect(await told(imds(OBJECT), reply(status, body))).toEqual({
      ...REFUSED,
      message: `${from} refuses a token for ${resource} (${status})`,
      hint,
      facts: { from, status },
    })
  })

  test.each([300, 399])('a redirect (%i) is refused', async (status) => {
    expect(await told(imds(), reply(status))).toEqual({
      ...REFUSED,
      message: `${from} answers ${status}, a redirect, which is never followed`,
      hint: `find out what answers in its place (a captive portal, a proxy): ${see}`,
      facts: { from, status },
    })
  })

  test.each([
    ['{}', '200'],
    [' <p>Sign in', '200 with HTML'],
    [`${' '.repeat(64)}<p>`, '200'],
  ])('%j in the place of a token', async (body, words) => {
    expect(await told(imds(), reply(200, body))).toEqual({
      code: 'IDENTITY_MALFORMED',
      retryable: true,
      message: `${from} answers ${words} without a token`,
      hint: `see what answers in its place (a proxy, a sign-in page): ${see}`,
      facts: { from, status: 200 },
      waits: [1000, 2000, 4000, 8000, 16_000],
    })
  })
})

describe('P5 what the identity endpoint of App Service answers is told whole', () => {
  const from = 'the identity endpoint at localhost:42356'
  const silent =
    "wait for the token sidecar; else see that WEBSITE_DISABLE_MSI is not set and IDENTITY_ENDPOINT is the platform's own"
  const service =
    (selector?: IdentitySelector, protocol: '2019-08-01' | '2017-09-01' = '2019-08-01') =>
    (around: Around): IdentitySource =>
      azureAppService({
        ...around,
        endpoint: new URL('http://localhost:42356/msi/token'),
        header: () => new Secret('header'),
        protocol,
        resource,
        selector,
      })

  test.each([
    ['2019-08-01', 'IDENTITY_HEADER'],
    ['2017-09-01', 'MSI_SECRET'],
  ] as const)('401 with the protocol of %s names the header', async (protocol, setting) => {
    expect(await told(service(undefined, protocol), reply(401))).toEqual({
      ...REFUSED,
      message: `${from} does not accept ${setting} (401)`,
      hint: 'restart this container: a process keeps the header it was started with, and the platform has rotated it',
      facts: { from, status: 401 },
      waits: [5000],
    })
  })

  test('500 may be a wrong resource, and is asked five times more', async () => {
    expect(await told(service(), reply(500))).toEqual({
      ...NOT_READY,
      message: `${from} cannot get a token for ${resource} (500)`,
      hint: 'correct CONJUR_AUTHN_AZURE_RESOURCE, or let the platform reach login.microsoft.com (outbound rules)',
      facts: { from, status: 500 },
      waits: [1000, 2000, 4000, 8000, 16_000],
    })
  })

  test.each([408, 429, 502, 503, 504])('%i is waited out for a minute', async (status) => {
    expect(await told(service(), reply(status))).toEqual({
      ...NOT_READY,
      message: `${from} answers ${status}`,
      hint: silent,
      facts: { from, status },
      waits: [1000, 2000, 4000, 8000, 16_000, 16_000],
    })
  })

  test.each([
    [undefined, 'managed identity', 'CLIENT_ID'],
    [RESOURCE, 'managed identity with resource id /r/web', 'RESOURCE_ID'],
  ])('400 means that %o is not assigned', async (selector, words, setting) => {
    expect(await told(service(selector), reply(400))).toEqual({
      code: 'IDENTITY_ABSENT',
      retryable: false,
      message: `no ${words} is assigned to this app`,
      hint: `assign it (az webapp identity assign, az containerapp identity assign; identitySettings may exclude it), or correct CONJUR_AUTHN_AZURE_${setting}`,
      facts: { from, status: 400 },
      waits: [],
    })
  })

  test.each([
    ['2019-08-01', 'IDENTITY_ENDPOINT'],
    ['2017-09-01', 'MSI_ENDPOINT'],
  ] as const)('any other answer with the protocol of %s: compare the endpoint', async (...row) => {
    const [protocol, setting] = row

    expect(await told(service(undefined, protocol), reply(404))).toEqual({
      ...REFUSED,
      message: `${from} answers 404`,
      hint: `compare ${setting} with what the platform set: env | grep ${setting}`,
      facts: { from, status: 404 },
    })
  })

  test.each([
    'http://1.2.3.4/msi/token',
    'https://example.com/',
    'file://localhost/x',
    'xhttp://localhost/x',
    'httpsx://localhost/x',
  ])('P8 %s is no place to send the header to', (endpoint) => {
    const url = new URL(endpoint)

    expect(() =>
      azureAppService({
        send: () => Promise.reject(new Error('nothing is sent')),
        clock: hastyClock(),
        endpoint: url,
        header: () => new Secret('header'),
        protocol: '2017-09-01',
        resource,
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'IDENTITY_REFUSED',
        message: `${url.host} is no place for an identity endpoint`,
        hint: "MSI_ENDPOINT must be the platform's own: localhost or a private address",
      }),
    )
  })
})

test('P8 the metadata service is on this machine', () => {
  const { send } = scriptedSend(() => reply(500))
  const baseUrl = new URL('http://metadata.example.com')

  expect(() =>
    azureImds({ send, clock: hastyClock(), apiVersion: '2018-02-01', resource, baseUrl }),
  ).toThrow(
    expect.objectContaining({
      code: 'IDENTITY_REFUSED',
      message: 'metadata.example.com is no place for a metadata service',
      hint: 'AZURE_POD_IDENTITY_AUTHORITY_HOST may name a loopback or link-local host only',
    }),
  )
})

test('the protocol of 2017 names the setting that it wants', () => {
  const { send } = scriptedSend(() => reply(500))

  expect(() =>
    azureAppService({
      send,
      clock: hastyClock(),
      endpoint: new URL('http://localhost:42356/msi/token'),
      header: () => new Secret('header'),
      protocol: '2017-09-01',
      resource,
      selector: OBJECT,
    }),
  ).toThrow(
    expect.objectContaining({
      code: 'IDENTITY_REFUSED',
      message: 'the identity endpoint of 2017 knows an identity by its client id only',
      hint: 'name it in CONJUR_AUTHN_AZURE_CLIENT_ID',
    }),
  )
})

describe('P5 what Entra answers to a federated token is told whole', () => {
  const from = 'the token endpoint at login.microsoftonline.com'
  const silent =
    'allow this workload to reach https://login.microsoftonline.com, or correct AZURE_AUTHORITY_HOST'
  const patient = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
  const workload = (around: Around): IdentitySource => azureWorkload(options(around))

  test.each([
    [reply(429), {}],
    [reply(500), {}],
    [says(400, { error: 'temporarily_unavailable' }), { error: 'temporarily_unavailable' }],
  ])('%# is waited out', async (answer, said) => {
    expect(await told(workload, answer)).toEqual({
      ...NOT_READY,
      message: `${from} answers ${answer.status}`,
      hint: 'wait; Entra is throttling or unwell (https://status.azure.com)',
      facts: { from, status: answer.status, ...said },
      waits: patient,
    })
  })

  test("what is not Entra's way to refuse is somebody else's", async () => {
    expect(await told(workload, reply(403, '<html>'))).toEqual({
      ...REFUSED,
      message: `${from} answers 403 with HTML, which is not Entra's way`,
      hint: `find out what answers in its place (an intercepting proxy); ${silent}`,
      facts: { from, status: 403 },
    })
  })

  const federation = [5000, 15_000, 30_000, 60_000]
  test.each([
    ...[70021, 700211, 700212, 700213].map((code) => ({
      code,
      means: 'no federated credential matches this service account',
      hint: 'compare issuer, subject and audience: az identity federated-credential list (or az ad app federated-credential list --id c-web)',
      waits: federation,
    })),
    {
      code: 700024,
      means: 'the federated token is expired or not yet valid',
      hint: `see why ${tokenFile} is not renewed, and compare this node's clock (date -u)`,
      waits: [0],
      retryable: true,
    },
    {
      code: 70023,
      means: 'the federated token lives longer than Entra allows',
      hint: 'set azure.workload.identity/service-account-token-expiration to 86400 or less',
    },
    {
      code: 90061,
      means: "Entra cannot reach the cluster's issuer",
      hint: "make the cluster's issuer public: az aks show --query oidcIssuerProfile.issuerUrl",
      waits: [15_000, 30_000, 60_000, 60_000, 60_000, 60_000],
      retryable: true,
    },
    ...[700016, 7000112].map((code) => ({
      code,
      means: 'the tenant knows no such enabled client',
      hint: 'compare AZURE_CLIENT_ID c-web and AZURE_TENANT_ID t-1 with the identity (az identity show)',
    })),
    {
      code: 90002,
      means: 'there is no such tenant',
      hint: 'correct AZURE_TENANT_ID t-1, or AZURE_AUTHORITY_HOST if it is in another cloud',
    },
    ...[70011, 500011, 1002012].map((code) => ({
      code,
      means: 'the tenant does not know the resource',
      hint: 'correct CONJUR_AUTHN_AZURE_RESOURCE https://management.azure.com/ (default https://management.azure.com/)',
    })),
    {
      code: 50013,
      means: "Entra rejects the federated token's signature",
      hint: "compare the token's issuer with the federated credential's, to the last slash",
    },
    {
      code: 12,
      means: 'invalid_client',
      hint: 'look up AADSTS12 at https://login.microsoftonline.com/error, with the correlation id',
    },
  ])('AADSTS$code: $means', async ({ code, means, hint, ...rest }) => {
    const said = { error: 'invalid_client', error_codes: [code], correlation_id: 'corr' }

    expect(await told(workload, says(401, said))).toEqual({
      ...REFUSED,
      message: `Entra refuses client c-web: ${means} (401, AADSTS${code})`,
      hint,
      facts: { from, status: 401, error: 'invalid_client', correlationId: 'corr' },
      ...rest,
    })
  })

  test('a code that stands only in the description is found there', async () => {
    const said = { error: 'invalid_request', error_description: 'AADSTS90002: not found' }

    expect(await told(workload, says(400, said))).toMatchObject({
      message: 'Entra refuses client c-web: there is no such tenant (400, AADSTS90002)',
    })
  })

  test('the first of several codes is shown, any of them explains', async () => {
    const said = { error: 'invalid_client', error_codes: [7, 50013] }

    expect(await told(workload, says(401, said))).toMatchObject({
      message:
        "Entra refuses client c-web: Entra rejects the federated token's signature (401, AADSTS7)",
    })
  })

  test('a refusal without a code has the word of the protocol', async () => {
    expect(await told(workload, says(400, { error: 'invalid_grant' }))).toMatchObject({
      message: 'Entra refuses client c-web: invalid_grant (400)',
      hint: 'look up the error at https://login.microsoftonline.com/error, with the correlation id',
    })
  })

  test('through a proxy of the cluster, that proxy is what to correct', async () => {
    const tokenProxy = new URL('https://proxy.example.com/base/')

    expect(
      await told((around) => azureWorkload({ ...options(around), tokenProxy }), reply(404)),
    ).toMatchObject({
      message: "the token endpoint at proxy.example.com answers 404, which is not Entra's way",
      hint: expect.stringContaining(
        'allow this workload to reach https://proxy.example.com, or correct AZURE_KUBERNETES_TOKEN_PROXY',
      ),
    })
  })

  test.each([
    ['https://login.microsoftonline.com/', undefined, 'https://login.microsoftonline.com/'],
    ['https://login.example.cn/a//', undefined, 'https://login.example.cn/a/'],
    ['https://login.example.cn/', 'https://p.example/b//', 'https://p.example/b/'],
  ])('the assertion goes below %s (%s), as a form, whole', async (host, proxy, base) => {
    const { send, requests } = scriptedSend(() => reply(418))
    const source = azureWorkload({
      ...options({ send, clock: hastyClock(), random: () => 0 }),
      authorityHost: new URL(host),
      tokenProxy: proxy === undefined ? undefined : new URL(proxy),
    })

    await source.token(new AbortController().signal).catch(() => undefined)

    expect(source).toMatchObject({ name: 'azure-workload-identity', watched: [tokenFile] })
    expect(requests[0]?.url.href).toBe(`${base}t-1/oauth2/v2.0/token`)
    expect(requests[0]).toMatchObject({
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Accept: 'application/json',
      },
      deadlineMs: 30_000,
    })
    expect(Object.fromEntries(new URLSearchParams(String(requests[0]?.body)))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'c-web',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: unsignedJwt(),
      scope: 'https://management.azure.com/.default',
    })
  })

  test('P8 only a proxy has a CA of its own', async () => {
    const distrusted = (): never => {
      throw new SendFailure('tls-untrusted', 'login.microsoftonline.com')
    }

    expect(await told(workload, distrusted)).toMatchObject({
      hint: 'name the CA that signs it in NODE_EXTRA_CA_CERTS',
    })
  })

  function options(around: Around): Parameters<typeof azureWorkload>[0] {
    return {
      ...around,
      tokenFile,
      clientId: 'c-web',
      tenantId: 't-1',
      authorityHost: new URL('https://login.microsoftonline.com/'),
      resource,
    }
  }
})
