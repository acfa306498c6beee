import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A self-signed certificate for localhost and 127.0.0.1, made by openssl, and its key; both PEM. */
export function servingCertificate(commonName = 'localhost'): { cert: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), 'conjur-agent-cert-'))
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  try {
    execFileSync(
      'openssl',
       `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${commonName} -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${key} -out ${cert}`.split(' '),
      { stdio: 'ignore' },
    )
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
