import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createSecureContext } from 'node:tls'
import { ConfigError } from '../core/errors.ts'

/** A certificate and its key, both PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** When a certificate ends, in epoch milliseconds, and how long it lives in all. */
export interface Validity {
  readonly startsAt: number
  readonly endsAt: number
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** Clocks of API servers may be behind ours by this much. */
const BACKDATE_MS = 10 * 60_000

const DAY_MS = 24 * 3_600_000

/** Makes a CA whose only work is to sign this injector's serving certificates. */
export async function makeAuthority(options: {
  readonly now: number
  readonly days: number
}): Promise<KeyPair> {
  const x509 = await library()
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // A name of its own for each: of two with one name a verifier may try the wrong key.
    name: `CN=conjur-agent injector CA ${new Date(options.now).toISOString()}`,
    ...span(options),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: pem(certificate.toString('pem')), key: await exportKey(keys.privateKey) }
}

/** Makes a serving certificate for `names`, signed by `authority`. */
export async function makeLeaf(
  authority: KeyPair,
  options: { readonly now: number; readonly days: number; readonly names: readonly string[] },
): Promise<KeyPair> {
  const x509 = await library()
  const issuer = new x509.X509Certificate(authority.cert)
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=conjur-agent injector',
    issuer: issuer.subject,
    ...span(options),
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        options.names.map((value) => ({
          type: /^[\d.]+$/.test(value) ? ('ip' as const) : ('dns' as const),
          value,
        })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  })
  return { cert: pem(certificate.toString('pem')), key: await exportKey(keys.privateKey) }
}

/** How long a PEM certificate is good; undefined if the text is none. */
export function validityOf(cert: string): Validity | undefined {
  try {
    const { validFromDate, validToDate } = new X509Certificate(cert)
    return { startsAt: validFromDate.getTime(), endsAt: validToDate.getTime() }
  } catch {
    return undefined
  }
}

/** Whether a server can serve with this pair, and it is signed by `authority`, if one is given. */
export function fits(pair: KeyPair, authority?: string): boolean {
  try {
    createSecureContext(pair)
    if (authority === undefined) return true
    return new X509Certificate(pair.cert).verify(new X509Certificate(authority).publicKey)
  } catch {
    return false
  }
}

/** Whether the key is the certificate's: of a CA's pair, which some TLS libraries refuse to serve with. */
export function belongs({ cert, key }: KeyPair): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

/** The PEM certificates of a bundle, one by one. */
export function splitBundle(bundle: string): readonly string[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map(pem)
}

/** Where a supplied certificate lies. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

/** Reads a supplied certificate. Throws a ConfigError where it cannot be served. */
export async function readSupplied({ cert, key }: CertificateFiles): Promise<KeyPair> {
  const pair = { cert: await read(cert, '--tls-cert'), key: await read(key, '--tls-key') }
  if (fits(pair)) return pair
  throw new ConfigError('CONFIG_INVALID', `${cert} and ${key} are no certificate and its key`, {
    hint: `openssl x509 -noout -pubkey -in ${cert} and openssl pkey -pubout -in ${key} must agree`,
    facts: { cert, key },
  })
}

/**
 * Tells when a supplied certificate may have changed: by itself, or by the kubelet's swap of the
 * directory it lies in. The two files are not replaced at once by every tool; `changed` reads them.
 * Yields how to stop.
 */
export async function watchSupplied(
  { cert, key }: CertificateFiles,
  changed: () => void,
): Promise<() => Promise<void>> {
  const { watch } = await import('chokidar')
  const directories = [...new Set([dirname(cert), dirname(key)])]
  const watcher = watch(directories, { depth: 0, ignoreInitial: true, persistent: false })
  watcher.on('all', changed)
  await new Promise<void>((resolve) => {
    watcher.on('ready', () => {
      resolve()
    })
  })
  return () => watcher.close()
}

async function read(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `${flag}: ${path} cannot be read`, {
      hint: `ls -l ${path}, as the user that runs conjur-agent`,
      facts: { path },
      cause,
    })
  }
}

async function library() {
  // Its container for its own parts wants this in place first.
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

function span({ now, days }: { readonly now: number; readonly days: number }) {
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + days * DAY_MS) }
}

function pem(text: string): string {
  return `${text.trim()}\n`
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

async function importKey(key: string): Promise<CryptoKey> {
  const der = Buffer.from(key.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  return crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
}
