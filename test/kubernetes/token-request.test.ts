import { expect, test } from 'vitest'

import * as library from '../../src/kubernetes/client.ts'
import type { Cluster } from '../../src/kubernetes/cluster.ts'
import { createTokenWith, type TokenRequest } from '../../src/kubernetes/token-request.ts'
import { bodyOf, loopbackServer } from '../support/loopback-server.ts'

const REQUEST: TokenRequest = {
  namespace: 'shop',
  serviceAccount: 'web',
  audiences: ['conjur'],
  expirationSeconds: 900,
  boundPod: { name: 'web-1', uid: 'u1' },
}
const signal = new AbortController().signal

test('a token is asked for as the API describes it', async () => {
  const seen: unknown[] = []
  await using server = await loopbackServer((request, response) => {
    void bodyOf(request).then((body) => {
      seen.push([request.method, request.url, JSON.parse(body)])
      response.writeHead(201, { 'Content-Type': 'application/json' })
      response.end(
        JSON.stringify({ status: { token: 'eyJ', expirationTimestamp: '2026-01-20T09:20:00Z' } }),
      )
    })
  })

  const answer = await createTokenWith(clusterAt(server.url))(REQUEST, signal)

  expect(answer).toEqual({ token: 'eyJ' })
  expect(seen).toEqual([
    [
      'POST',
      '/api/v1/namespaces/shop/serviceaccounts/web/token',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: ['conjur'],
          expirationSeconds: 900,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web-1', uid: 'u1' },
        },
      },
    ],
  ])
})

test('a refusal is its status and reason', async () => {
  await using server = await loopbackServer((_request, response) => {
    response.writeHead(403, { 'Content-Type': 'application/json' })
    response.end(
      JSON.stringify({
        kind: 'Status',
        status: 'Failure',
        message: 'serviceaccounts "web" is forbidden',
        code: 403,
      }),
    )
  })

  const answer = await createTokenWith(clusterAt(server.url))(REQUEST, signal)

  expect(answer).toMatchObject({ status: 403, reason: 'serviceaccounts "web" is forbidden' })
})

test('Retry-After is passed on', async () => {
  await using server = await loopbackServer((_request, response) => {
    response.writeHead(429, { 'Retry-After': '3' }).end('slow down')
  })

  const answer = await createTokenWith(clusterAt(server.url))(REQUEST, signal)

  expect(answer).toMatchObject({ status: 429, retryAfterMs: 3000 })
})

test('an API server that is not there is no answer', async () => {
  const server = await loopbackServer(() => {})
  await server.close()

  const answer = await createTokenWith(clusterAt(server.url))(REQUEST, signal)

  expect(answer).toMatchObject({ status: 'no answer', reason: 'ECONNREFUSED' })
})

test('P7: aborting ends the wait for a silent API server', async () => {
  await using server = await loopbackServer(() => {})
  const stop = new AbortController()
  const reason = new Error('SIGTERM')

  const asked = createTokenWith(clusterAt(server.url))(REQUEST, stop.signal).catch(
    (error: unknown) => error,
  )
  setImmediate(() => stop.abort(reason))

  expect(await asked).toBe(reason)
})

function clusterAt(url: URL): () => Promise<Cluster> {
  const config = new library.KubeConfig()
  config.loadFromClusterAndUser(
    { name: 'test', server: url.origin, skipTLSVerify: true },
    { name: 'test' },
  )
  return () => Promise.resolve({ library, config })
}
