import { IdentityError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { readTokenFile } from './projected-token.ts'

/** A secret that stands alone in a file, without the line break that editors add. Rejects with IDENTITY_MALFORMED if it is empty. */
export async function readSecretFile(path: string, setting: string): Promise<Secret> {
  const text = (await readTokenFile(path, setting)).replace(/[\r\n]+$/, '')
  if (text !== '') return new Secret(text)
  throw new IdentityError('IDENTITY_MALFORMED', `the file ${path} is empty`, {
    hint: `write the secret there and nothing else, or name another file in ${setting}`,
    retryable: true,
    facts: { path, setting },
  })
}
