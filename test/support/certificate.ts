import type { webcrypto } from 'node:crypto'
// The X.509 library's container wants it in place first.
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

export interface Issued {
  readonly key: string
  readonly cert: string
}

export interface TestCa {
  /** PEM. */
  readonly cert: string
  /** An authority that this one signs; `isCa: false`: one that is none, since its certificate is a leaf's. */
  intermediate(name: string, options?: { readonly isCa: boolean }): Promise<TestCa>
  issue(options?: IssueOptions): Promise<Issued>
}

interface IssueOptions {
  readonly names?: readonly string[]
  /** How long it is valid from now on; negative: already expired. */
  readonly days?: number
  /** Hours until it is valid; negative: valid since then. */
  readonly fromHours?: number
  /** Signs with its own key instead of the authority's. */
  readonly selfSigned?: boolean
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const HOUR = 3_600_000
const usualNames: readonly string[] = ['localhost', '127.0.0.1']

/** A certificate authority of the test's own. */
export async function testCa(name = 'Test CA'): Promise<TestCa> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - 48 * HOUR),
    notAfter: new Date(Date.now() + 48 * HOUR),
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  })
  return authority(ca, keys)
}

function authority(ca: x509.X509Certificate, keys: webcrypto.CryptoKeyPair): TestCa {
  return {
    cert: ca.toString('pem'),
    async intermediate(name, { isCa } = { isCa: true }) {
      const own = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: ca.subject,
        notBefore: new Date(Date.now() - 48 * HOUR),
        notAfter: new Date(Date.now() + 48 * HOUR),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [new x509.BasicConstraintsExtension(isCa, undefined, true)],
      })
      return authority(certificate, own)
    },
    async issue({ names = usualNames, days = 1, fromHours = -36, selfSigned = false } = {}) {
      const leafKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const leaf = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0]}`,
        issuer: selfSigned ? `CN=${names[0]}` : ca.subject,
        notBefore: new Date(Date.now() + fromHours * HOUR),
        notAfter: new Date(Date.now() + days * 24 * HOUR),
        publicKey: leafKeys.publicKey,
        signingKey: (selfSigned ? leafKeys : keys).privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value })),
          ),
        ],
      })
      const pkcs8 = await crypto.subtle.exportKey('pkcs8', leafKeys.privateKey)
      return {
        cert: leaf.toString('pem'),
        key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
      }
    },
  }
}

/** A certificate as PEM that is whole outside, and none inside. */
export function hollow(cert: string): string {
  const der = Buffer.from(cert.replaceAll(/-----[^-]+-----/g, ''), 'base64')
  der[4] = 0x31
  const text = der.toString('base64').replaceAll(/(.{64})/g, '$1\n')
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
}
