import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import * as v from 'valibot'

const root = join(import.meta.dirname, '../..')

const Lock = v.object({
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
})

function lockedBy(file: string) {
  const { packages } = v.parse(Lock, JSON.parse(readFileSync(join(root, file), 'utf8')))
  return Object.entries(packages).filter(([path]) => path !== '')
}

const packages = lockedBy('package-lock.json')

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

test.each(['package-lock.json', '.config/executable/package-lock.json'])(
  'every package of %s has one version, its hash, and no address',
  (file) => {
    for (const [path, { version, integrity, resolved }] of lockedBy(file)) {
      expect(version, path).toMatch(/^\d+\.\d+\.\d+/)
      expect(integrity, path).toMatch(/^sha512-/)
      expect(resolved, path).toBeUndefined()
    }
  },
)

test('nothing of what is installed runs a script, and none is let run', () => {
  const scripts = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true)

  // Not in .npmrc: npm would leave out the `pre` scripts by which a fresh clone sets itself up.
  for (const file of ['package.json', 'Dockerfile']) {
    const text = readFileSync(join(root, file), 'utf8')
    expect(text.match(/npm ci(?! --ignore-scripts)/g), file).toBeNull()
  }
  expect(scripts.map(([path]) => path).filter((path) => !path.endsWith('/fsevents'))).toEqual([])
})

const bill = v.parse(
  v.object({
    bomFormat: v.literal('CycloneDX'),
    components: v.array(
      v.object({
        name: v.string(),
        version: v.string(),
        licenses: v.tuple([
          v.object({
            expression: v.optional(v.string()),
            license: v.optional(v.object({ id: v.string() })),
          }),
        ]),
        hashes: v.tuple([v.object({ alg: v.literal('SHA-512'), content: v.string() })]),
      }),
    ),
  }),
  JSON.parse(readFileSync(join(root, 'dist/sbom.cdx.json'), 'utf8')),
)

test('what is built in has a licence that goes with ours, and its text goes along', () => {
  const texts = readFileSync(join(root, 'dist/licences.txt'), 'utf8')
  const strange = bill.components.filter(
    ({ licenses: [{ expression = '', license }] }) =>
      !(license?.id ?? expression)
        .replaceAll(/[()]/g, '')
        .split(/ OR /)
        .some((one) => ALLOWED.includes(one)),
  )

  expect(strange).toEqual([])
  for (const { name, version } of bill.components) {
    expect(texts).toContain(`${name} ${version}: `)
    expect(texts.split(`\n${name}\n\n`)[1]?.slice(0, 2000), name).toMatch(
      /permission|redistribut|license/i,
    )
  }
})

test('so has all that is installed to run it', () => {
  const installed = packages.filter(([, { dev }]) => dev !== true)
  const strange = installed.filter(
    ([, { license = '' }]) =>
      !license
        .replaceAll(/[()]/g, '')
        .split(/ OR /)
        .some((one) => ALLOWED.includes(one)),
  )

  expect(strange.map(([path, { license }]) => `${path}: ${license}`)).toEqual([])
})

test('the bill of materials names what is built in, as it is locked, and no tool', () => {
  const names = bill.components.map(({ name }) => name)

  expect(names).toEqual(expect.arrayContaining(['undici', 'pino', 'chokidar', 'valibot', 'yaml']))
  expect(names).not.toContain('typescript')
  for (const { name, version, hashes } of bill.components) {
    const locked = packages.find(
      ([path, found]) => path.endsWith(`node_modules/${name}`) && found.version === version,
    )
    const hash = Buffer.from(hashes[0].content, 'hex').toString('base64')
    expect(locked?.[1].integrity, name).toBe(`sha512-${hash}`)
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
    (name) => /\.(js|json|txt)$/.test(name) && !name.includes('.compile-cache'),
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
