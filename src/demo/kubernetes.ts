import { rename, writeFile } from 'node:fs/promises'
import type { JWK } from 'jose'
import { createIssuer } from './issuer.ts'
import { serve, type Loopback } from './loopback.ts'

/** The service account whose tokens the simulated cluster issues. */
export const SERVICE_ACCOUNT = 'system:serviceaccount:shop:web'

/** A simulated cluster: it issues service-account tokens, serves its keys, and does nothing else. */
export interface SimulatedKubernetes extends Loopback {
  readonly jwksUri: string
  readonly keys: { readonly keys: JWK[] }
  /** Writes a fresh token for an audience where a projected volume would have it, by rename as the kubelet does. */
  project(file: string, audience: string): Promise<void>
}

const LIFE_SECONDS = 3600

export async function simulateKubernetes(): Promise<SimulatedKubernetes> {
  const issuer = await createIssuer('simulated-cluster')
  const server = await serve(({ path }) =>
    path === '/openid/v1/jwks'
      ? { status: 200, json: issuer.keys }
      : { status: 404, json: { error: 'not simulated' } },
  )
  return {
    ...server,
    jwksUri: `${server.url}/openid/v1/jwks`,
    keys: issuer.keys,
    async project(file, audience) {
      const claims = { iss: server.url, aud: [audience], ...serviceAccount }
      const half = `${file}.new`
      await writeFile(half, await issuer.sign(claims, LIFE_SECONDS), { mode: 0o600 })
      await rename(half, file)
    },
  }
}

const serviceAccount = {
  sub: SERVICE_ACCOUNT,
  'kubernetes.io': {
    namespace: 'shop',
    pod: { name: 'web-6f7c9', uid: 'b2b2b2b2-0000-4000-8000-000000000002' },
    serviceaccount: { name: 'web', uid: 'a1a1a1a1-0000-4000-8000-000000000001' },
  },
}
