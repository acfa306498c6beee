import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { startDevserver } from '../src/devserver/server.ts'

/**
 * Runs the built program once in each of its usual ways, so that what it compiles is kept beside it
 * (see door.cjs) and no container of an image compiles it again.
 */
const main = join(import.meta.dirname, '../dist/main.js')
const directory = mkdtempSync(join(tmpdir(), 'conjur-agent-warm-'))
const at = (name: string): string => join(directory, name)

const issuer = 'https://warm.example'
const { privateKey, publicKey } = await generateKeyPair('RS256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }
const jwt = await new SignJWT({ sub: 'web' })
  .setProtectedHeader({ alg: 'RS256', kid: 'k' })
  .setIssuer(issuer)
  .setAudience('conjur')
  .setIssuedAt()
  .setExpirationTime('1h')
  .sign(privateKey)

const conjur = await startDevserver({
  account: 'warm',
  policy: `
- !policy
  id: conjur/authn-jwt/prod
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable audience
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !host { id: web, annotations: { authn-jwt/prod/sub: web } }
- &values
  - !variable a
  - !variable b
- !permit { role: !host web, privileges: [ read, execute ], resource: *values }
- !grant { role: !group conjur/authn-jwt/prod/apps, members: [ !host web ] }
`,
  values: {
    'conjur/authn-jwt/prod/public-keys': JSON.stringify({ type: 'jwks', value: { keys: [jwk] } }),
    'conjur/authn-jwt/prod/issuer': issuer,
    'conjur/authn-jwt/prod/audience': 'conjur',
    a: 'one',
    b: 'two',
  },
})
mkdirSync(at('status'))
writeFileSync(at('jwt'), jwt)
writeFileSync(at('ca.pem'), conjur.ca)
const groups = ['json', 'yaml', 'dotenv'].map(
  (format) =>
    `conjur.org/conjur-secrets.${format}="- a\\n- b"\nconjur.org/secret-file-format.${format}="${format}"\n`,
)
writeFileSync(at('annotations'), groups.join(''))
const env = {
  CONJUR_APPLIANCE_URL: conjur.url,
  CONJUR_ACCOUNT: 'warm',
  CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
  CONJUR_AUTHN_LOGIN: 'host/web',
  CONJUR_CERT_FILE: at('ca.pem'),
  JWT_TOKEN_PATH: at('jwt'),
  CONJUR_ANNOTATIONS_FILE: at('annotations'),
  CONJUR_SECRETS_DIRECTORY: at('secrets'),
  CONJUR_AUTHN_TOKEN_FILE: at('token'),
  CONJUR_STATUS_DIRECTORY: at('status'),
  CONJUR_STATUS_LISTEN: '127.0.0.1:0',
}

/** A program that goes on keeps what it compiled after some seconds. */
const KEPT_AFTER_MS = 8000

try {
  for (const command of ['init', 'sidecar', 'healthcheck', '--version']) {
    const child = spawn(process.execPath, [main, command], { env, stdio: 'ignore' })
    const ended = once(child, 'exit')
    if (command === 'sidecar') {
      await delay(KEPT_AFTER_MS)
      child.kill('SIGTERM')
    }
    const [code] = await ended
    if (code !== 0) throw new Error(`${command} ends with ${String(code)}`)
  }
} finally {
  await conjur.close()
  rmSync(directory, { recursive: true })
}
