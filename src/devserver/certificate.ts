/** A certificate authority of this server's own, and the certificate it serves with; all in PEM. */
export interface ServingCertificate {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const dayMs = 86_400_000

/**
 * Makes a CA and a certificate for `localhost`, 127.0.0.1, ::1 and further names, good for a year.
 * Nothing is kept: every start makes its own.
 */
export async function makeCertificate(names: readonly string[]): Promise<ServingCertificate> {
  // The X.509 library's container wants it in place first.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const { subtle } = globalThis.crypto
  const [caKeys, leafKeys] = await Promise.all([
    subtle.generateKey(algorithm, true, ['sign', 'verify']),
    subtle.generateKey(algorithm, true, ['sign', 'verify']),
  ])
  // Clients on machines whose clock is behind by minutes must trust it at once, and tests that
  // replay the past bring their own clock only for tokens.
  const validity = {
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 365 * dayMs),
  }
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=conjur-agent devserver CA',
    ...validity,
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  })
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: 'CN=localhost',
    issuer: ca.subject,
    ...validity,
    publicKey: leafKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(subjectNames(names)),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
    ],
  })
  const key = Buffer.from(await subtle.exportKey('pkcs8', leafKeys.privateKey)).toString('base64')
  return {
    ca: `${ca.toString('pem')}\n`,
    certificate: `${leaf.toString('pem')}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`,
  }
}

function subjectNames(names: readonly string[]): { type: 'dns' | 'ip'; value: string }[] {
  const all = new Set(['localhost', '127.0.0.1', '::1', ...names])
  return [...all].map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value }))
}

function serial(): string {
  return Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(15))).toString('hex')
}
