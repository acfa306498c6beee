import { describe, expect, test } from 'vitest'
import { loadConfig, type AgentConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/core/errors.ts'

const conjur = {
  CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
  CONJUR_ACCOUNT: 'acme',
  CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
}

interface Asked {
  readonly environment?: Readonly<Record<string, string>>
  readonly mode?: AgentConfig['mode']
  readonly annotations?: string
  readonly unfit?: string
}

function load({ environment = {}, mode = 'sidecar', annotations, unfit }: Asked) {
  return loadConfig({
    flags: {},
    environment: { ...conjur, ...environment },
    annotations,
    file: undefined,
    mode,
    unfitToHibernate: () => unfit,
  })
}

const hibernate = { CONJUR_IDLE: 'hibernate' }

describe('a sidecar', () => {
  test('stays unless it is told to hibernate, by whatever source', async () => {
    expect((await load({})).idle).toBe('stay')
    expect((await load({ environment: hibernate })).idle).toBe('hibernate')
    expect((await load({ annotations: 'conjur.org/idle="hibernate"\n' })).idle).toBe('hibernate')
  })

  test('stays where the pod says so against its administrator', async () => {
    const asked = { environment: hibernate, annotations: 'conjur.org/idle="stay"\n' }

    expect((await load(asked)).idle).toBe('stay')
  })

  test('P6 is refused where it could not, under the name that asked for it', async () => {
    const unfit = 'hibernate needs a shell'
    const loading = load({ annotations: 'conjur.org/idle="hibernate"\n', unfit })

    const error = await loading.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConfigError)
    expect(error instanceof ConfigError && error.lines).toEqual([
      'pod annotation  conjur.org/idle  hibernate needs a shell',
    ])
    expect((await load({ unfit })).idle).toBe('stay')
  })

  test('hears that the ports it asked for stay closed', async () => {
    const environment = {
      ...hibernate,
      CONJUR_STATUS_LISTEN: 'off',
      CONJUR_METRICS_LISTEN: '0.0.0.0:9464',
    }

    expect((await load({ environment })).notes).toEqual([
      {
        level: 'info',
        text: 'CONJUR_METRICS_LISTEN has no effect: who hibernates serves nothing; conjur-agent status reads the status document',
      },
    ])
  })
})

test('who runs once has nothing to hibernate, and needs no shell', async () => {
  for (const mode of ['init', 'application'] as const) {
    expect((await load({ environment: hibernate, mode, unfit: 'no shell' })).idle).toBe('stay')
  }
})

test('a standalone agent cannot hibernate: it holds a Lease and watches', async () => {
  const environment = {
    ...hibernate,
    NAMESPACE_ALLOWLIST: 'shop',
    MY_POD_NAMESPACE: 'conjur',
    MY_POD_NAME: 'a',
  }

  await expect(load({ environment, mode: 'standalone' })).rejects.toMatchObject({
    lines: [expect.stringContaining('a standalone agent holds a Lease and watches; write stay')],
  })
})
