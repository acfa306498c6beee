import type { Endpoint } from './platform.ts'
import { exactHeader, text } from './replies.ts'

export interface SimulatedGcpOptions {
  readonly tokenFor: (audience: string, format: string) => Promise<string>
}

export const GCP_HOST = '169.254.169.254'

/** Google's metadata server: the identity document of the default service account. */
export function simulatedGcp(options: SimulatedGcpOptions): Endpoint {
  return async (request, violation) => {
    for (const name of request.query.keys()) {
      if (!['audience', 'format', 'licenses'].includes(name))
        violation(`unknown query name ${name}`)
    }
    if (exactHeader(request.rawHeaders, 'Metadata-Flavor') !== 'Google') {
      violation('no Metadata-Flavor: Google')
      return text(403, 'Missing Metadata-Flavor:Google header.')
    }
    if (request.path !== '/computeMetadata/v1/instance/service-accounts/default/identity')
      return text(404, 'Not Found')
    const audience = request.query.get('audience') ?? ''
    if (audience === '') return text(400, 'non-empty audience parameter required')
    if (!request.target.includes(`audience=${encodeURIComponent(audience)}`))
      violation('an audience not encoded once')
    return {
      status: 200,
      headers: { 'Content-Type': 'text/html', 'Metadata-Flavor': 'Google' },
      body: `${await options.tokenFor(audience, request.query.get('format') ?? 'standard')}\n`,
    }
  }
}
