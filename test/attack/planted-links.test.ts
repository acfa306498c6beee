import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { volume } from '../../src/outputs/volume.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'
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

/** Turns a directory of the volume into a link and back, as fast as it can. */
const SWAPPER = `
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
const [directory, outside] = process.argv.slice(1)
const attempt = (act) => { try { act() } catch {} }
process.stdout.write('ready')
for (let turn = 0; ; turn++) {
  const names = ['sub']
  attempt(() => names.push(...readdirSync(directory).filter((name) => /^\\.\\.\\d+$/.test(name)), '..data/sub'))
  for (const name of names) {
    const at = directory + '/' + name
    attempt(() => renameSync(at, directory + '/aside'))
    attempt(() => symlinkSync(outside, at))
    attempt(() => rmSync(at, { force: true }))
    attempt(() => renameSync(directory + '/aside', at))
    attempt(() => rmSync(directory + '/aside', { recursive: true, force: true }))
  }
}
`

test.each(['set', 'each'] as const)(
  'P8 a directory that is swapped for a link between a look and a write leads no secret out (%s)',
  async (publish) => {
    const directory = temporaryVolume()
    const outside = temporaryVolume()
    writeFileSync(join(outside, 'file'), 'untouched')
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', SWAPPER, directory, outside],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(child.stdout, 'data')
    const seconds = stopwatch()
    const target = volume({ directory, publish, requireTmpfs: 'false' })
    const passes = scaled(300, 20_000)
    let refused = 0

    for (let pass = 0; pass < passes; pass++) {
      const files = new Map(
        ['a', 'sub/b', 'sub/c'].map((path) => [
          path,
          { content: new Secret(`canary-${pass}`), mode: 0o644 },
        ]),
      )
      try {
        target.publish({ files, keep: new Set(), gone: new Set() })
      } catch (error) {
        if (!(error instanceof OutputError)) throw error
        refused++
      }
    }
    child.kill('SIGKILL')
    await once(child, 'exit')

    const led = readdirSync(outside).filter((name) => name !== 'file')
    record(`P8 swapped directories (${publish})`, {
      tried: { passes },
      lost: { 'files led out of the volume': led.length },
      seen: { 'passes refused': refused },
      seconds: seconds(),
    })
    expect(led).toEqual([])
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('untouched')
  },
)
