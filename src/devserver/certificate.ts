import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, integer, octets, oid, sequence, set, tagged, time, utf8, yes } from './der.ts'

/** A certificate authority of this server's own, and the certificate it serves with; all in PEM. */
export interface ServingCertificate {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

const dayMs = 86_400_000
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))

/**
 * Makes a CA and a certificate for `localhost`, 127.0.0.1, ::1 and further names, good for a year.
 * Nothing is kept: every start makes its own.
 *
 * Written out here, since the X.509 library costs a start a tenth of a second and the process ten
 * megabytes for good; what comes out is checked against Node's own reader and its TLS.
 */
export function makeCertificate(names: readonly string[]): ServingCertificate {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = name('conjur-agent devserver CA')
  const common = { issuer, signer: ca }
  return {
    ca: certificate({
      ...common,
      subject: issuer,
      publicKey: ca.publicKey,
      extensions: [
        extension('2.5.29.19', sequence(yes), true),
        extension('2.5.29.15', bits(Buffer.from([0b0000_0110]), 1), true),
      ],
    }),
    certificate: certificate({
      ...common,
      subject: name('localhost'),
      publicKey: leaf.publicKey,
      extensions: [
        extension('2.5.29.15', bits(Buffer.from([0b1000_0000]), 7), true),
        extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
        extension('2.5.29.17', sequence(...subjectNames(names))),
      ],
    }),
    key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}

interface Request {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly publicKey: KeyObject
  readonly signer: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  readonly extensions: readonly Buffer[]
}

function certificate(wanted: Request): string {
  const now = Date.now()
  const extensions = [
    ...wanted.extensions,
    extension('2.5.29.14', octets(keyId(wanted.publicKey))),
    extension('2.5.29.35', sequence(tagged(0, keyId(wanted.signer.publicKey), false))),
  ]
  const body = sequence(
    tagged(0, integer(Buffer.from([2])), true),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    wanted.issuer,
    // From yesterday on, for clients whose clock is behind.
    sequence(time(new Date(now - dayMs)), time(new Date(now + 365 * dayMs))),
    wanted.subject,
    spki(wanted.publicKey),
    tagged(3, sequence(...extensions), true),
  )
  const signature = sign('sha256', body, wanted.signer.privateKey)
  return pem(sequence(body, ecdsaWithSha256, bits(signature)))
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [yes] : []), octets(value))
}

function name(commonName: string): Buffer {
  return sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))))
}

function subjectNames(names: readonly string[]): Buffer[] {
  const all = new Set(['localhost', '127.0.0.1', '::1', ...names])
  return [...all].map((each) =>
    isIP(each) === 0 ? tagged(2, Buffer.from(each), false) : tagged(7, addressBytes(each), false),
  )
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : [])
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [
    ...groups(head),
    ...Array.from({ length: tail === undefined ? 0 : missing }, () => '0'),
    ...groups(tail),
  ]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(spki(key)).digest()
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').replace(/.{1,64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`
}
