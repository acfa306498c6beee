import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { ConfigError } from '../core/errors.ts'

/** Certificates to trust in place of the public roots: PEM text, or the file that holds it. */
export type TrustedCa = { readonly pem: string } | { readonly file: string } | undefined

/**
 * The trusted CA as PEM text, its file read afresh (P10); undefined for the public roots. Of its certificates no more
 * is looked at than whether they are whole, which wants no tools of cryptography.
 */
export function readCa(ca: TrustedCa): Promise<string | undefined> {
  return read(ca, isWhole)
}

/** The same, its certificates looked into: for whoever asks why nothing is trusted. */
export function examineCa(ca: TrustedCa): Promise<string | undefined> {
  return read(ca, isCertificate)
}

async function read(
  ca: TrustedCa,
  isGood: (block: string) => boolean,
): Promise<string | undefined> {
  if (ca === undefined) return undefined
  if ('pem' in ca) return ca.pem
  try {
    const pem = (await readBytes(ca.file)).toString('utf8')
    const blocks = pem.match(BLOCK) ?? []
    if (blocks.length === 0) throw new Error('it holds no PEM certificate')
    // TLS would pass over what it cannot read, and then trust nobody without saying why.
    for (const block of blocks) if (!isGood(block)) throw new Error('it holds a broken one')
    return pem
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read'
    throw new ConfigError('CONFIG_UNREADABLE', `CONJUR_CERT_FILE ${ca.file}: ${why}`, {
      hint: `mount the CA certificate of Conjur at ${ca.file}, or set CONJUR_SSL_CERTIFICATE`,
      retryable: true,
      facts: { file: ca.file },
      cause: error,
    })
  }
}

/** A regular file is there at once; what might keep us waiting, a pipe say, must not keep a signal waiting too (P7). */
async function readBytes(path: string): Promise<Buffer> {
  if (statSync(path).isFile()) return readFileSync(path)
  const { readFile } = await import('node:fs/promises')
  return readFile(path)
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/g

/** Whether it ends as PEM does, and what it holds where its first bytes say: a sequence of DER, whose length has a length of its own. */
function isWhole(block: string): boolean {
  const [, text] =
    /^-----BEGIN CERTIFICATE-----([\w+/=\s]*)-----END CERTIFICATE-----$/.exec(block) ?? []
  const der = Buffer.from(text ?? '', 'base64')
  const [tag, first = 0] = der
  const size = first - 0x80
  if (tag !== 0x30 || size < 1 || size > 4 || der.length < 2 + size) return false
  return der.readUIntBE(2, size) === der.length - 2 - size
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0
  } catch {
    return false
  }
}
