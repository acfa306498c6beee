import type { webcrypto } from 'node:crypto'

import { Secret } from '../core/secret.ts'

/** A key made just now, and the request that its certificate be signed. */
export interface CertificateRequest {
  /** PKCS #8, PEM. */
  readonly privateKey: Secret
  /** PKCS #10, PEM. */
  readonly request: string
}

const ALGORITHM = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const satisfies webcrypto.RsaHashedKeyGenParams

/** Makes an RSA key and a request for this common name, with the pod's SPIFFE id as its only other name. */
export async function certificateRequest(
  commonName: string,
  spiffeId: string,
): Promise<CertificateRequest> {
  // The X.509 library's container wants it in place first; both are loaded for authn-k8s alone.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const { subtle } = globalThis.crypto
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }])],
  })
  const der = Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey))
  const lines = der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return {
    privateKey: new Secret(`-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`),
    request: request.toString('pem'),
  }
}
