import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { workbench, type Workbench } from '../support/workbench.ts'

/*
 * P8 An application that may write where the agent writes: to the volume by a manifest of its own, to
 * the status directory always. What it plants is replaced, never followed.
 */

let bench: Workbench | undefined

afterEach(async () => {
  await bench?.[Symbol.asyncDispose]()
  bench = undefined
})

/** Three directories that the agent writes to, and one that it has no business in. */
function places(directory: string) {
  const [outside, secrets, run, status] = ['outside', 'secrets', 'run', 'status'].map((name) =>
    join(directory, name),
  )
  for (const path of [outside, secrets, run, status]) mkdirSync(path ?? '')
  return { outside: outside ?? '', secrets: secrets ?? '', run: run ?? '', status: status ?? '' }
}

const planted: Readonly<Record<'secrets' | 'run' | 'status', readonly string[]>> = {
  secrets: ['db.json', '..1', '..1.tmp', '..2', '..2.tmp', '..data', 'sub'],
  run: ['access-token', '.access-token.tmp'],
  status: [
    'agent.json',
    '.agent.json.tmp',
    'CONJUR_SECRETS_PROVIDED',
    '.CONJUR_SECRETS_PROVIDED.tmp',
    'CONJUR_SECRETS_UPDATED',
    'conjur-secrets-unchanged.sh',
    '.conjur-secrets-unchanged.sh.tmp',
  ],
}

const targets: readonly (readonly [string, (outside: string) => string])[] = [
  ['to a file', (outside) => join(outside, 'file')],
  ['to a directory', (outside) => outside],
  ['to nowhere', (outside) => join(outside, 'new')],
  ['to itself', () => 'loop'],
]

test.each(targets)('P8 links %s that stand at every name are replaced', async (_name, to) => {
  bench = await workbench()
  const { outside, ...ours } = places(join(bench.directory))
  writeFileSync(join(outside, 'file'), 'untouched')
  for (const place of ['secrets', 'run', 'status'] as const) {
    for (const name of planted[place]) symlinkSync(to(outside), join(ours[place], name))
  }

  const agent = bench.start(['init'], {
    CONJUR_SECRETS_DIRECTORY: ours.secrets,
    CONJUR_AUTHN_TOKEN_FILE: join(ours.run, 'access-token'),
    CONJUR_STATUS_DIRECTORY: ours.status,
    CONJUR_SECRETS__SUB: '- user: apps/db-user',
    CONJUR_SECRET_FILE_PATH__SUB: 'sub/web.yaml',
  })

  expect((await agent.ended).code).toBe(0)
  expect(readdirSync(outside)).toEqual(['file'])
  expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('untouched')
  expect(JSON.parse(readFileSync(join(ours.secrets, 'db.json'), 'utf8'))).toHaveProperty('user')
  expect(readFileSync(join(ours.secrets, 'sub/web.yaml'), 'utf8')).toContain('user')
  expect(JSON.parse(readFileSync(join(ours.run, 'access-token'), 'utf8'))).toHaveProperty('payload')
  expect(JSON.parse(readFileSync(join(ours.status, 'agent.json'), 'utf8'))).toBeTypeOf('object')
})

test('P8 pipes that nobody writes to keep no agent waiting', async () => {
  bench = await workbench()
  const { secrets, run, status } = places(bench.directory)
  const all = { secrets, run, status }
  for (const place of ['secrets', 'run', 'status'] as const) {
    for (const name of planted[place]) execFileSync('mkfifo', [join(all[place], name)])
  }

  const agent = bench.start(['init'], {
    CONJUR_SECRETS_DIRECTORY: secrets,
    CONJUR_AUTHN_TOKEN_FILE: join(run, 'access-token'),
    CONJUR_STATUS_DIRECTORY: status,
  })

  expect((await agent.ended).code).toBe(0)
  expect(JSON.parse(readFileSync(join(secrets, 'db.json'), 'utf8'))).toHaveProperty('user')
  expect(JSON.parse(readFileSync(join(run, 'access-token'), 'utf8'))).toHaveProperty('payload')
})
