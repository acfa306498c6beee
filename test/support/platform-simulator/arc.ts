import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { ManagedIdentity } from './imds.ts'
import type { Endpoint } from './platform.ts'
import { exactHeader, json } from './replies.ts'

export interface SimulatedArcOptions {
  readonly tokensDirectory: string
  readonly identities: () => readonly ManagedIdentity[]
  readonly tokenFor: (identity: ManagedIdentity, resource: string) => Promise<string>
  /** How the reply speaks of the selector: today's agent echoes it, older ones ignore it. */
  readonly echo?: 'same' | 'other case' | 'none'
}

export const ARC_HOST = '127.0.0.1:40342'

/** Arc's agent: a challenge file of its own for each question, good for one answer. */
export function simulatedArc(options: SimulatedArcOptions): Endpoint {
  let count = 0
  let challenge: string | undefined
  return async (request, violation) => {
    for (const name of request.query.keys()) {
      if (!['api-version', 'resource', 'client_id', 'object_id', 'msi_res_id'].includes(name)) {
        violation(`unknown query name ${name}`)
      }
    }
    if (exactHeader(request.rawHeaders, 'Metadata') !== 'true') violation('no Metadata: true')
    if (
      !['2019-08-15', '2019-11-01', '2020-06-01'].includes(request.query.get('api-version') ?? '')
    ) {
      return json(400, { error: 'invalid_request' })
    }
    const authorization = request.headers['authorization']
    if (authorization === undefined) {
      count += 1
      challenge = randomBytes(24).toString('base64url')
      const path = join(options.tokensDirectory, `${count}.key`)
      await writeFile(path, challenge, { mode: 0o640 })
      return { ...json(401, {}), headers: { 'Www-Authenticate': `Basic realm=${path}` } }
    }
    if (authorization !== `Basic ${challenge ?? ''}`) return json(401, {})
    challenge = undefined
    const { name, wanted } = selectorOf(request.query)
    const knows = options.echo !== 'none'
    const identity = options
      .identities()
      .find(({ kind, clientId, objectId, resourceId }) =>
        wanted === undefined || !knows
          ? kind === 'system'
          : [clientId, objectId, resourceId].includes(wanted),
      )
    if (identity === undefined) return json(400, { error: 'invalid_request' })
    const resource = request.query.get('resource') ?? ''
    const echoed = options.echo === 'other case' ? wanted?.toUpperCase() : wanted
    return json(200, {
      access_token: await options.tokenFor(identity, resource),
      expires_on: '1800086399',
      expires_in: '3600',
      not_before: '1799999700',
      resource,
      token_type: 'Bearer',
      ...(knows && name !== undefined ? { [name]: echoed } : {}),
    })
  }
}

function selectorOf(query: URLSearchParams): {
  name: string | undefined
  wanted: string | undefined
} {
  const name = ['client_id', 'object_id', 'msi_res_id'].find((candidate) => query.has(candidate))
  return { name, wanted: name === undefined ? undefined : (query.get(name) ?? undefined) }
}
