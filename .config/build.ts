import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { rolldown, type OutputChunk } from 'rolldown'
import options from './rolldown.config.ts'
import { shippedFiles } from './shipped.ts'

/**
 * Builds the program into dist/, with its bill of materials and licences. With `--report` it also prints, for each command, what it loads at
 * once and what only when it is wanted, with bytes, and the largest modules in it; with `--dry-run`
 * nothing is written.
 */
const { output: outputOptions, ...inputOptions } = options
const bundle = await rolldown(inputOptions)
const isDry = process.argv.includes('--dry-run')
const { output } = await (isDry ? bundle.generate(outputOptions) : bundle.write(outputOptions))
await bundle.close()
const chunks = new Map(
  output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file] as const] : [])),
)
const bytes = output.reduce(
  (sum, file) => sum + sizeOf(file.type === 'chunk' ? file.code : file.source),
  0,
)
process.stdout.write(`dist: ${chunks.size} chunks, ${(bytes / 1024 / 1024).toFixed(3)} MiB\n`)
if (process.argv.includes('--report')) process.stdout.write(report())
if (!isDry) {
  const built = [...chunks.values()].flatMap(({ modules }) => Object.entries(modules))
  const inside = built.flatMap(([id, { renderedLength }]) => (renderedLength > 0 ? [id] : []))
  for (const [name, text] of Object.entries(shippedFiles(inside))) {
    writeFileSync(join('dist', name), text)
  }
  await import('./types.ts')
}

/** Commands and the module that runs them, as `main.ts` tells them apart. */
function wings(): readonly (readonly [string, string])[] {
  const text = readFileSync('src/main.ts', 'utf8')
  const cases = text.matchAll(
    /((?: *case '[\w-]+':\n)+) *return (?:\w+\()?\(await import\('\.\/([\w/.-]+)'\)/g,
  )
  return [...cases].map(([, names = '', module = '']) => [
    [...names.matchAll(/'([\w-]+)'/g)].map(([, name]) => name).join(', '),
    resolve('src', module),
  ])
}

function report(): string {
  return wings()
    .map(([commands, module]) => {
      const entry = [...chunks.values()].find((chunk) => module in chunk.modules)
      if (entry === undefined) throw new Error(`${module} is in no chunk`)
      const loaded = closure(['front.js', entry.fileName])
      const later = closure(loaded.flatMap((chunk) => chunk.dynamicImports)).filter(
        (chunk) => !loaded.includes(chunk),
      )
      // The front door names every wing; what another one loads is no part of this one.
      const own = later.filter(({ fileName }) => reached(entry).has(fileName))
      return [
        `\n${commands}\n`,
        `  at once  ${line(loaded)}\n`,
        ...(own.length === 0 ? [] : [`  wanted   ${line(own)}\n`]),
        '  largest modules, before minifying\n',
        ...largest(loaded).map(([name, size]) => `    ${String(size).padStart(8)}  ${name}\n`),
      ].join('')
    })
    .join('')
}

/** These chunks and all that they load at once. */
function closure(names: readonly string[], seen = new Set<OutputChunk>()): readonly OutputChunk[] {
  for (const name of names) {
    const chunk = chunks.get(name)
    if (chunk === undefined || seen.has(chunk)) continue
    seen.add(chunk)
    closure(chunk.imports, seen)
  }
  return [...seen]
}

/** What a chunk leads to by any import, but not by way of the front door. */
function reached(entry: OutputChunk, seen = new Set<string>(['front.js'])): ReadonlySet<string> {
  for (const name of [...entry.imports, ...entry.dynamicImports]) {
    const chunk = chunks.get(name)
    if (chunk === undefined || seen.has(name)) continue
    seen.add(name)
    reached(chunk, seen)
  }
  return seen
}

function line(some: readonly OutputChunk[]): string {
  const total = some.reduce((sum, { code }) => sum + sizeOf(code), 0)
  const each = some
    .toSorted((a, b) => b.code.length - a.code.length)
    .map(({ fileName, code }) => `${fileName} ${sizeOf(code)}`)
  return `${total} bytes: ${each.join(', ')}`
}

function largest(some: readonly OutputChunk[]): readonly (readonly [string, number])[] {
  return some
    .flatMap(({ modules }) => Object.entries(modules))
    .map(
      ([id, { renderedLength }]) => [relative('.', id.replace('\0', '')), renderedLength] as const,
    )
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 8)
}

function sizeOf(content: string | Uint8Array): number {
  return Buffer.byteLength(content)
}
