import { IdentityError } from '../core/errors.ts'

/** What takes Azure's token request in place of the authority host, and whom to trust there. */
export interface TokenProxy {
  readonly url: URL
  readonly serverName: string | undefined
  readonly ca: { readonly pem: string } | { readonly file: string } | undefined
}

/**
 * The CA of Azure's token proxy as PEM text, its file read at each call; undefined for the system's
 * roots. An empty file means that it is just being replaced: IDENTITY_NOT_READY.
 */
export async function readTokenProxyCa(ca: TokenProxy['ca']): Promise<string | undefined> {
  if (ca === undefined) return undefined
  if ('pem' in ca) return ca.pem
  const { readFile } = await import('node:fs/promises')
  let pem: string
  try {
    pem = await readFile(ca.file, 'utf8')
  } catch (cause) {
    throw new IdentityError(
      'IDENTITY_ABSENT',
      `the token proxy's CA file ${ca.file} cannot be read`,
      {
        hint: `AZURE_KUBERNETES_CA_FILE must name a file that is mounted: ls -l ${ca.file}`,
        facts: { path: ca.file },
        cause,
      },
    )
  }
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem
  throw new IdentityError(
    'IDENTITY_NOT_READY',
    `the token proxy's CA file ${ca.file} holds no certificate`,
    {
      hint: `wait while the platform replaces it; else see what writes it: ls -l ${ca.file}`,
      retryable: true,
      facts: { path: ca.file },
    },
  )
}
