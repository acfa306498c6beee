import { readSecretFile } from './secret-file.ts'
import type { ApiKey, IdentitySource } from './source.ts'

/** A host's API key from a file, read at each login; for places where no platform vouches for the workload. */
export function apiKeyFile({ path }: { readonly path: string }): IdentitySource<ApiKey> {
  return {
    name: 'api-key-file',
    watched: [path],
    async token(signal) {
      signal.throwIfAborted()
      const secret = await readSecretFile(path, 'CONJUR_AUTHN_API_KEY_FILE')
      return { kind: 'api-key', secret }
    },
  }
}
