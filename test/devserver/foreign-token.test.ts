import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  privateEncrypt,
  randomBytes,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TEST_TIME } from '../support/fake-clock.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { ask } from './client.ts'
import { harness } from './harness.ts'

const iat = Math.floor(TEST_TIME / 1000)

/** Signs claims that this server would not issue, with its own key, as an older or a patched server might. */
function signed(pem: string, claims: Record<string, unknown>): string {
  const encode = (bytes: string | Buffer): string =>
    Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  const key = createPrivateKey(pem)
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const kid = createHash('sha256').update(der).digest('hex')
  const head = encode(JSON.stringify({ alg: 'conjur.org/slosilo/v2', kid }))
  const payload = encode(JSON.stringify(claims))
  const salt = randomBytes(32)
  const digest = createHash('sha256').update(salt).update(`${head}.${payload}`).digest()
  const sealed = privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digest)
  const token = { protected: head, payload, signature: encode(Buffer.concat([sealed, salt])) }
  return Buffer.from(JSON.stringify(token)).toString('base64')
}

test.each([
  ['of an older server, without exp, within 480 s', { iat: iat - 479 }, 200, ''],
  [
    'of an older server, without exp, after 480 s',
    { iat: iat - 480 },
    401,
    'Unauthorized: Invalid token',
  ],
  [
    'with claims that are known and not looked at',
    { iat, exp: iat + 9, iss: 'x', aud: 'y', jti: 'z' },
    200,
    '',
  ],
  [
    'with a claim nobody knows',
    { iat, exp: iat + 9, admin: true },
    401,
    'token contains unrecognized claims',
  ],
  ['bound to this address', { iat, exp: iat + 9, cidr: ['127.0.0.0/8'] }, 200, ''],
  [
    'bound to another address',
    { iat, exp: iat + 9, cidr: ['10.0.0.0/8'] },
    403,
    'IP address rejected',
  ],
  ['bound to nonsense', { iat, exp: iat + 9, cidr: 'everywhere' }, 403, 'IP address rejected'],
])('a token %s', async (_what, claims, status, text) => {
  await using directory = await temporaryDirectory()
  const stateFile = join(directory.path, 'state.json')
  await using rig = await harness({ policy: '- !user alice\n', stateFile })
  const state: { tokenKey: string } = JSON.parse(await readFile(stateFile, 'utf8'))

  const token = signed(state.tokenKey, { sub: 'alice', ...claims })
  const reply = await ask(rig.server, {
    path: '/whoami',
    headers: { authorization: `Token token="${token}"` },
  })

  expect(reply.status).toBe(status)
  if (status !== 200) expect(reply.text()).toBe(text)
})
