import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test as always } from 'vitest'
import { testCa } from '../support/certificate.ts'
import { review, startInjector } from '../support/injector-process.ts'
import { EXECUTABLE } from '../support/program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { pod } from './pods.ts'

const root = join(import.meta.dirname, '../..')

/** Node's flags of the chart's Deployment, with its directories where this test has them. */
function chartFlags(directory: string): string[] {
  const text = readFileSync(join(root, 'charts/conjur-agent/templates/deployment.yaml'), 'utf8')
  const flags = [...text.matchAll(/^ +- (--(?:permission|allow|disable)[^\s{]*)$/gm)].map(
    ([, flag = '']) => flag,
  )
  expect(flags).toHaveLength(8)
  return flags.map((flag) =>
    flag
      .replace('/app/dist', join(root, 'dist'))
      .replace(/\/etc\/conjur-agent(-tls)?|\/var\/run\/secrets.*/, directory),
  )
}

// The permission model is Node's; an executable takes none of its flags.
const test = always.skipIf(EXECUTABLE !== undefined)

test('with the flags of the chart it answers reviews, reads a new certificate, and shows no core dump anything', async () => {
  await using directory = await temporaryDirectory()
  const [one, two] = await Promise.all([testCa('one'), testCa('two')])
  const node = chartFlags(directory.path)
  const injector = await startInjector(directory.path, await one.issue(), { node })
  const next = await two.issue()

  const { response } = await review(injector.port, one.cert, pod())
  const filter = readFileSync(`/proc/${injector.pid}/coredump_filter`, 'utf8')
  for (const [path, text] of [
    [injector.files.key, next.key],
    [injector.files.cert, next.cert],
  ] as const) {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  await injector.said(/serving a new certificate/)
  const { code } = await injector.stop()

  expect(response.patch).toBeTypeOf('string')
  expect(Number.parseInt(filter, 16)).toBe(0)
  expect(injector.log()).not.toContain('Warning')
  expect(code).toBe(0)
})

test('with them it cannot be led to read a file that is not its own', async () => {
  await using directory = await temporaryDirectory()
  const ca = await testCa()
  const node = chartFlags(directory.path)
  const started = startInjector(directory.path, await ca.issue(), {
    node,
    more: ['--config=/etc/passwd'],
  })

  await expect(started).rejects.toThrow('--config  /etc/passwd cannot be read')
})

test.each([
  ['reading /etc/shadow', `fs.readFileSync('/etc/shadow')`],
  ['reading the environment of a process', `fs.readFileSync('/proc/1/environ')`],
  ['writing outside', `fs.writeFileSync('/tmp/conjur-agent-outside', '')`],
  ['writing where it may read', `fs.writeFileSync(process.argv[1] + '/new', '')`],
  ['a link to what it may not read', `fs.symlinkSync('/etc', process.argv[1] + '/link')`],
  ['a program', `require('child_process').spawnSync('true')`],
  ['becoming a program', `process.execve('/bin/true', ['true'], {})`],
  ['a thread', `new (require('worker_threads').Worker)('', { eval: true })`],
  ['native code', `process.dlopen({ exports: {} }, '/lib/none.node')`],
  ['WASI', `new (require('wasi').WASI)({ version: 'preview1' })`],
  ['the inspector', `require('inspector').open(0)`],
])('with them Node refuses %s', async (_what, script) => {
  await using directory = await temporaryDirectory()
  const { stdout } = spawnSync(
    process.execPath,
    [
      ...chartFlags(directory.path),
      '-e',
      `try { ${script}; console.log('done') } catch (error) { console.log(error.code) }`,
      directory.path,
    ],
    { encoding: 'utf8' },
  )

  expect(stdout).toMatch(/^ERR_(ACCESS_DENIED|DLOPEN_DISABLED)\n$/)
})

test.each([
  ['gives no mode to an open file, by any flag', '*', 'fs.fchmodSync(1, 0o600)'],
  ['makes no link where anything is out of bounds', '/tmp', `fs.symlinkSync('..1', '/tmp/..data')`],
])('the agent itself runs without, since under the model Node %s', (_what, bounds, script) => {
  const { stderr } = spawnSync(
    process.execPath,
    ['--permission', `--allow-fs-read=${bounds}`, `--allow-fs-write=${bounds}`, '-e', script],
    { encoding: 'utf8' },
  )

  expect(stderr).toMatch(
    /fchmod API is disabled when Permission Model|symlink API requires full fs.read and fs.write/,
  )
})
