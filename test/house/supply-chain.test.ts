import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import * as v from 'valibot'

const root = join(import.meta.dirname, '../..')

const lock = v.parse(
  v.object({
    packages: v.record(
      v.string(),
      v.object({
        version: v.optional(v.string()),
        resolved: v.optional(v.string()),
        integrity: v.optional(v.string()),
        license: v.optional(v.string()),
        dev: v.optional(v.boolean()),
        hasInstallScript: v.optional(v.boolean()),
        link: v.optional(v.boolean()),
      }),
    ),
  }),
  JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')),
)
const packages = Object.entries(lock.packages).filter(([path]) => path !== '')

/** Licences under which what we ship may be shipped with ours. */
const ALLOWED: readonly string[] = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'PSF-2.0',
  'Unlicense',
]

test('every package has one version, its hash, and no address', () => {
  for (const [path, { version, integrity, resolved }] of packages) {
    expect(version, path).toMatch(/^\d+\.\d+\.\d+/)
    expect(integrity, path).toMatch(/^sha512-/)
    expect(resolved, path).toBeUndefined()
  }
})

test('nothing of what is installed runs a script, and none is let run', () => {
  const scripts = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true)

  // Not in .npmrc: npm would leave out the `pre` scripts by which a fresh clone sets itself up.
  for (const file of ['package.json', 'Dockerfile']) {
    const text = readFileSync(join(root, file), 'utf8')
    expect(text.match(/npm ci(?! --ignore-scripts)/g), file).toBeNull()
  }
  expect(scripts.map(([path]) => path).filter((path) => !path.endsWith('/fsevents'))).toEqual([])
})

test('what is shipped has a licence that goes with ours', () => {
  const shipped = packages.filter(([, { dev }]) => dev !== true)
  const strange = shipped.filter(
    ([, { license = '' }]) =>
      !license
        .replaceAll(/[()]/g, '')
        .split(/ OR /)
        .some((one) => ALLOWED.includes(one)),
  )

  expect(shipped.length).toBeGreaterThan(20)
  expect(strange.map(([path, { license }]) => `${path}: ${license}`)).toEqual([])
})

test('a bill of materials names every package that is shipped', () => {
  const { stdout, status } = spawnSync(
    'npm',
    ['sbom', '--package-lock-only', '--omit=dev', '--sbom-format=cyclonedx'],
    { cwd: root, encoding: 'utf8' },
  )

  expect(status).toBe(0)
  const bill = v.parse(
    v.object({
      bomFormat: v.literal('CycloneDX'),
      components: v.array(v.object({ name: v.string() })),
    }),
    JSON.parse(stdout),
  )
  const names = new Set(bill.components.map(({ name }) => name))
  for (const name of ['undici', 'jose', 'pino', 'chokidar', '@kubernetes/client-node', 'valibot']) {
    expect(names).toContain(name)
  }
})

test('two builds in two places are the same bytes', () => {
  const [one, two] = [built(), built()]

  expect(Object.keys(one).length).toBeGreaterThan(20)
  expect(one).toEqual(two)
})

/** The files that a build leaves in a fresh place, by the hash of their bytes. */
function built(): Readonly<Record<string, string>> {
  const place = mkdtempSync(join(tmpdir(), 'conjur-agent-build-'))
  onTestFinished(() => {
    rmSync(place, { recursive: true, force: true })
  })
  for (const name of ['src', '.config', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(join(root, name), join(place, name), {
      recursive: true,
      filter: (path) => !path.endsWith('node_modules'),
    })
  }
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'))
  const { status, stderr } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: place,
    encoding: 'utf8',
  })
  expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ')
  const dist = join(place, 'dist')
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(
    (name) => /\.(js|json)$/.test(name) && !name.includes('.compile-cache'),
  )
  return Object.fromEntries(
    files.toSorted().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(dist, name)))
        .digest('hex'),
    ]),
  )
}
