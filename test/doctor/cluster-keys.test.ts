import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clusterKeys } from '../../src/doctor/cluster-keys.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

const JWKS = '{"keys":[{"kid":"k1"}]}'
const ca = await testCa('Cluster CA')
const { signal } = new AbortController()

/** An API server that shows its keys to who brings the pod's token. */
async function apiServer(): Promise<LoopbackServer> {
  return loopbackServer(
    (request, response) => {
      const isKnown = request.headers.authorization === 'Bearer pod-token'
      response.statusCode = isKnown && request.url === '/openid/v1/jwks' ? 200 : 403
      response.end(isKnown ? JWKS : '{"kind":"Status"}')
    },
    await ca.issue(),
  )
}

function podWith(token: string): string {
  const directory = temporaryVolume()
  writeFileSync(join(directory, 'token'), `${token}\n`)
  writeFileSync(join(directory, 'ca.crt'), ca.cert)
  return directory
}

const inCluster = ({ port }: LoopbackServer): Record<string, string> => ({
  KUBERNETES_SERVICE_HOST: '127.0.0.1',
  KUBERNETES_SERVICE_PORT: String(port),
})

test('a pod that may read them gets the keys of its cluster', async () => {
  await using server = await apiServer()

  const keys = await clusterKeys(
    { environment: inCluster(server), directory: podWith('pod-token') },
    signal,
  )

  expect(keys).toBe(JWKS)
})

test('without the right, without a token and outside a cluster there are none', async () => {
  await using server = await apiServer()
  const environment = inCluster(server)

  expect(await clusterKeys({ environment, directory: podWith('another') }, signal)).toBeUndefined()
  expect(await clusterKeys({ environment, directory: temporaryVolume() }, signal)).toBeUndefined()
  expect(await clusterKeys({ environment: {} }, signal)).toBeUndefined()
})
