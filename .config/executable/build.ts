import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/**
 * `npm run build:executable`: makes one file of what `npm run build` made and an engine, for each
 * architecture: dist/conjur-agent for this machine, dist/conjur-agent-linux-ARCH for the other, their
 * checksums in dist/conjur-agent.sha256. The engines come from npm by the lock file in this folder, which
 * holds their hashes; nobody else fetches them. With `--if-fetched` nothing is done where they are not there.
 */
const HOME = import.meta.dirname
const DIST = join(HOME, '../../dist')
/** What is compiled: a copy of what was built, in which modules of the engine wait until they are used. */
const SOURCE = join(DIST, '.executable')
const ENGINES = { x64: 'bun-linux-x64', arm64: 'bun-linux-aarch64' } as const

/** Bun compiles a module of Node's when it is asked for: one that a run never uses costs milliseconds. */
const LAZY =
  'const lazy$=n=>{let m;return new Proxy({},{get:(_,k)=>(m??=process.getBuiltinModule(n))[k]})};'

/** Those of a file's head, but for two that each run uses. */
const BUILTIN = /(?<=[\s,]\w+=)require\("(node:(?!fs"|path")[\w/]+)"\)(?=[,;])/g
const WAITS = 'lazy$("$1")'

type Arch = keyof typeof ENGINES

const isHere = (arch: Arch): boolean => process.arch === arch

if (!process.argv.includes('--if-fetched') || areFetched()) {
  fetchEngines()
  prepare()
  const made = (['x64', 'arm64'] as const).map((arch) => build(arch))
  const sums = made.map((name) => `${sha256(join(DIST, name))}  ${name}\n`)
  rmSync(SOURCE, { recursive: true })
  writeFileSync(join(DIST, 'conjur-agent.sha256'), sums.join(''))
  process.stdout.write(sums.join(''))
}

function areFetched(): boolean {
  const installed = join(HOME, 'node_modules/.installed-lock')
  return (
    existsSync(installed) &&
    readFileSync(installed).equals(readFileSync(join(HOME, 'package-lock.json')))
  )
}

/** Both engines, the one for the other architecture too, which npm would leave out unless forced. */
function fetchEngines(): void {
  if (areFetched()) return
  run('npm', ['ci', '--prefix', HOME, '--force', '--ignore-scripts', '--loglevel=error'])
  writeFileSync(
    join(HOME, 'node_modules/.installed-lock'),
    readFileSync(join(HOME, 'package-lock.json')),
  )
}

function prepare(): void {
  rmSync(SOURCE, { recursive: true, force: true })
  mkdirSync(SOURCE)
  for (const name of readdirSync(DIST).filter((file) => /\.js(?:on)?$/.test(file))) {
    const text = readFileSync(join(DIST, name), 'utf8')
    writeFileSync(
      join(SOURCE, name),
      isOnTheWay(name) ? LAZY + text.replaceAll(BUILTIN, WAITS) : text,
    )
  }
}

/** The two files that every pod waits for. */
function isOnTheWay(name: string): boolean {
  return name === 'front.js' || name === 'agent.js'
}

function build(arch: Arch): string {
  const name = isHere(arch) ? 'conjur-agent' : `conjur-agent-linux-${arch}`
  const unfinished = join(DIST, `.${name}`)
  run(engine(process.arch === 'arm64' ? 'arm64' : 'x64'), [
    'build',
    '--compile',
    `--target=bun-linux-${arch}`,
    `--compile-executable-path=${engine(arch)}`,
    // Compiled here, so that no container compiles it again.
    '--bytecode',
    // A file that lies where the program is started decides nothing (P8).
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    '--no-compile-autoload-tsconfig',
    '--no-compile-autoload-package-json',
    // Where it was built is nobody's business, and would make two builds differ.
    '--define=__filename="/conjur-agent"',
    '--define=__dirname="/"',
    `--outfile=${unfinished}`,
    // Not main.js: what it keeps compiled for Node, the compiler puts into the file.
    join(SOURCE, 'front.js'),
  ])
  renameSync(unfinished, join(DIST, name))
  return name
}

function engine(arch: Arch): string {
  return join(HOME, 'node_modules/@oven', ENGINES[arch], 'bin/bun')
}

function run(command: string, given: readonly string[]): void {
  // Bun keeps a cache and looks for settings at home unless told otherwise.
  const { status, stdout, stderr } = spawnSync(command, given, { cwd: DIST, encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(`${stdout}${stderr}`)
  rmSync(join(DIST, '.conjur-agent'), { force: true })
  process.exit(status ?? 1)
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
