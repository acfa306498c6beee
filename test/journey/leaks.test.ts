import { readdirSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  CANARY,
  imdsToken,
  metadataService,
  workbench,
  type Workbench,
} from '../support/workbench.ts'

let bench: Workbench

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

/** Everything that must not be seen: values, the platform token, access tokens, their encodings. */
function secretsOf(tokens: readonly string[]): readonly string[] {
  const values = [
    `${CANARY}-password`,
    `${CANARY}-key`,
    `${CANARY}-comma`,
    `${CANARY}-hidden`,
    `${CANARY}-locked`,
  ]
  return [
    ...values,
    ...values.map((value) => Buffer.from(value).toString('base64').replace(/=+$/, '')),
    ...tokens,
  ]
}

test.each(['none', 'unavailable', 'unauthenticated', 'drop', 'error', 'outage'] as const)(
  'P2 at log level debug, with the fault %s, no secret is in the output, argv or the status document',
  async (fault) => {
    bench = await workbench({ tokenTtlSeconds: 4 })
    const status = join(bench.directory, 'status')
    await mkdir(status)
    const agent = bench.start(['sidecar'], {
      LOG_LEVEL: 'debug',
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
      CONJUR_STATUS_DIRECTORY: status,
      CONJUR_SECRETS__MORE:
        '- key: apps/api-key\n- comma: "apps/with,comma"\n- gone: apps/unset\n  required: false',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')
    const token = readFileSync(bench.tokenFile, 'utf8')
    const argv = readFileSync(`/proc/${agent.pid}/cmdline`, 'utf8')

    if (fault !== 'none') {
      const path = fault === 'unauthenticated' ? '/authn-jwt' : undefined
      bench.conjur.faults.add({ kind: fault, times: 3, path })
      await agent.line(({ level }) => level === 'warn')
    }
    bench.conjur.setValue('apps/db-password', `${CANARY}-password-2`)
    const seen = agent.stderr().split('PUBLISHED').length
    await agent.line(() => agent.stderr().split('PUBLISHED').length > seen)
    agent.kill('SIGTERM')
    await agent.ended

    const { payload, signature } = JSON.parse(token) as Record<string, string>
    const jwt = readFileSync(bench.environment['JWT_TOKEN_PATH'] ?? '', 'utf8')
    const document = readFileSync(join(status, 'agent.json'), 'utf8')
    for (const secret of secretsOf([
      token,
      payload ?? '',
      signature ?? '',
      jwt,
      jwt.split('.')[2] ?? '',
    ])) {
      expect(agent.output()).not.toContain(secret)
      expect(document).not.toContain(secret)
      expect(argv).not.toContain(secret)
    }
    expect(readdirSync(status).filter((name) => name.startsWith('.'))).toEqual([])
  },
)

test('P2 a token from the metadata service stays out of the output when Conjur refuses it', async () => {
  bench = await workbench()
  const body = await imdsToken(bench)
  await using imds = await metadataService(async () => ({ status: 200, body }))
  const agent = bench.start(['init'], {
    LOG_LEVEL: 'debug',
    RETRY_COUNT_LIMIT: '0',
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    CONJUR_AUTHN_LOGIN: 'host/apps/stranger',
    AZURE_POD_IDENTITY_AUTHORITY_HOST: imds.url.origin,
  })

  expect((await agent.ended).code).toBe(5)

  const { access_token: token } = JSON.parse(body) as { access_token: string }
  for (const part of [token, ...token.split('.')]) expect(agent.output()).not.toContain(part)
})
