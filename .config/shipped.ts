import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'

/** A package of which something is in the built program. */
interface Shipped {
  readonly name: string
  readonly version: string
  readonly licence: string
  /** Of its archive, in hexadecimal. */
  readonly sha512: string
  /** What its licence file says; empty where it has none. */
  readonly text: string
}

const lockFile = v.object({
  version: v.string(),
  packages: v.record(
    v.string(),
    v.object({
      version: v.optional(v.string(), ''),
      license: v.optional(v.string(), ''),
      integrity: v.optional(v.string(), ''),
    }),
  ),
})

/**
 * What goes with the program: a bill of materials (CycloneDX 1.6) and the licences, each of the very
 * packages that these modules, of which something was built in, come from. Two builds give the same bytes.
 */
export function shippedFiles(modules: Iterable<string>): Readonly<Record<string, string>> {
  const lock = v.parse(lockFile, JSON.parse(readFileSync('package-lock.json', 'utf8')))
  const places = new Map(
    [...modules].flatMap((id): readonly (readonly [string, string])[] => {
      const [folder, key] =
        /^.*?\/(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)(?=\/)/.exec(id) ?? []
      return folder === undefined || key === undefined ? [] : [[key, folder]]
    }),
  )
  const shipped = [...places]
    .map(([key, folder]): Shipped => {
      const found = lock.packages[key]
      if (found === undefined) throw new Error(`${key} is not in the lock file`)
      return {
        name: key.replace(/^.*node_modules\//, ''),
        version: found.version,
        licence: found.license,
        sha512: Buffer.from(found.integrity.replace('sha512-', ''), 'base64').toString('hex'),
        text: licenceText(folder),
      }
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return { 'sbom.cdx.json': bill(lock.version, shipped), 'licences.txt': licences(shipped) }
}

function licenceText(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  return file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()
}

function bill(version: string, shipped: readonly Shipped[]): string {
  const content = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', name: 'conjur-agent', version } },
    components: shipped.map(({ name, version: at, licence, sha512 }) => ({
      type: 'library',
      name,
      version: at,
      purl: `pkg:npm/${name.replace('@', '%40')}@${at}`,
      licenses: [
        / (OR|AND) /.test(licence) ? { expression: licence } : { license: { id: licence } },
      ],
      hashes: [{ alg: 'SHA-512', content: sha512 }],
    })),
  }
  return `${JSON.stringify(content, undefined, 2)}\n`
}

function licences(shipped: readonly Shipped[]): string {
  const list = shipped.map(({ name, version, licence }) => `${name} ${version}: ${licence}\n`)
  const texts = shipped.map(({ name, text }) => `\n${'-'.repeat(72)}\n${name}\n\n${text}\n`)
  return `Packages built into conjur-agent, and their licences.\n\n${list.join('')}${texts.join('')}`
}
