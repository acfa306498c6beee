/*
 * Against a real API server: KUBECONFIG must name one where namespaces may be made, as
 * test/e2e/testbed/control-plane.sh starts it.
 *
 *   npx vitest run --config .config/e2e.config.ts test/e2e/token-request
 */
import { randomBytes } from 'node:crypto'
import type { CoreV1Api } from '@kubernetes/client-node'
import { beforeAll, describe, expect, test } from 'vitest'
import { IdentityError } from '../../src/core/errors.ts'
import type { PlatformToken } from '../../src/identity/source.ts'
import { tokenRequest, type TokenRequest } from '../../src/identity/token-request.ts'
import { connect } from '../../src/kubernetes/cluster.ts'
import { createTokenWith } from '../../src/kubernetes/token-request.ts'

const signal = new AbortController().signal

describe.skipIf(process.env['KUBECONFIG'] === undefined)('TokenRequest', () => {
  let api: CoreV1Api
  let namespace: string
  let podUid: string

  beforeAll(async () => {
    const { config, library } = await connect()
    api = config.makeApiClient(library.CoreV1Api)
    namespace = `tokens-${randomBytes(4).toString('hex')}`
    await api.createNamespace({ body: { metadata: { name: namespace } } })
    await api.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'web' } } })
    const pod = await api.createNamespacedPod({
      namespace,
      body: {
        metadata: { name: 'web-1' },
        spec: { serviceAccountName: 'web', containers: [{ name: 'app', image: 'none' }] },
      },
    })
    podUid = pod.metadata?.uid ?? ''
  })

  test('the API server issues a token with our audience and life, bound to the pod', async () => {
    const token = await ask({ boundPod: { name: 'web-1', uid: podUid } })

    expect(token.header['alg']).toBe('RS256')
    expect(token.claims).toMatchObject({
      aud: ['conjur'],
      sub: `system:serviceaccount:${namespace}:web`,
      'kubernetes.io': {
        namespace,
        pod: { name: 'web-1', uid: podUid },
        serviceaccount: { name: 'web' },
      },
    })
    const { exp, iat } = token.claims as { exp: number; iat: number }
    expect(exp - iat).toBe(900)
  })

  test('a service account that does not exist is IDENTITY_ABSENT', async () => {
    expect(await failure({ serviceAccount: 'nobody' })).toMatchObject({
      code: 'IDENTITY_ABSENT',
      message: `the Kubernetes API refuses a token for ${namespace}/nobody (404: serviceaccounts "nobody" not found)`,
    })
  })

  test('a pod that was replaced is IDENTITY_REFUSED', async () => {
    const error = await failure({
      boundPod: { name: 'web-1', uid: 'b2b2b2b2-0000-4000-8000-000000000002' },
    })

    expect(error).toMatchObject({
      code: 'IDENTITY_REFUSED',
      hint: expect.stringContaining('metadata.uid'),
    })
  })

  test('a life that is too short is IDENTITY_REFUSED', async () => {
    const error = await failure({ expirationSeconds: 60 })

    expect(error).toMatchObject({
      code: 'IDENTITY_REFUSED',
      hint: expect.stringContaining('CONJUR_TOKEN_EXPIRATION'),
    })
  })

  function ask(changes: Partial<TokenRequest>): Promise<PlatformToken> {
    return tokenRequest({
      clock: { now: Date.now, sleep: () => Promise.resolve() },
      createToken: createTokenWith(),
      request: {
        namespace,
        serviceAccount: 'web',
        audiences: ['conjur'],
        expirationSeconds: 900,
        ...changes,
      },
    }).token(signal)
  }

  async function failure(changes: Partial<TokenRequest>): Promise<IdentityError> {
    const error: unknown = await ask(changes).catch((error: unknown) => error)
    if (error instanceof IdentityError) return error
    throw new Error('there was a token', { cause: error })
  }
})
