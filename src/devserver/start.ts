import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { keepSmall } from './memory.ts'
import { isLoopback, FlagError, readFlags, type Asked } from './options.ts'
import { PolicyInvalid } from './policy/entry.ts'
import { startDevserver, type Devserver, type DevserverOptions, type PolicyText } from './server.ts'
import { parseValues } from './values.ts'

/** One command line, as far as this wing needs it: it imports nothing of the others. */
interface CommandLine {
  readonly flags: Readonly<Record<string, string | boolean>>
}

/**
 * `conjur-agent devserver`: serves until SIGTERM or SIGINT, then ends with 0.
 *
 * stdout carries one line of JSON when it is ready, and audit records where asked for; all talk
 * goes to stderr. Keys never stand in either: they lie in files that only this user can read.
 */
export async function start({ flags }: CommandLine): Promise<number> {
  let directory: string | undefined
  const end = untilSignal()
  keepSmall()
  try {
    const asked = readFlags(flags)
    directory = await mkdtemp(join(tmpdir(), 'conjur-devserver-'))
    const devserver = await startDevserver(await optionsFor(asked))
    for (const fault of asked.faults) devserver.faults.add(fault)
    await announce(devserver, asked, directory)
    await end
    await devserver.close()
    return 0
  } catch (error) {
    return complain(error)
  } finally {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  }
}

async function optionsFor(asked: Asked): Promise<DevserverOptions> {
  const policy: PolicyText[] = []
  for (const path of asked.policyFiles) {
    policy.push({ text: await read('policy', path), file: basename(path) })
  }
  const values =
    asked.valuesFile === undefined ? undefined : parseValues(await read('values', asked.valuesFile))
  const { account, host, port, tokenTtlSeconds, basePath, dapEra } = asked
  return {
    account,
    host,
    port,
    tokenTtlSeconds,
    basePath,
    dapEra,
    policy,
    ...(values === undefined ? {} : { values: Object.fromEntries(values) }),
    ...(asked.adminApiKey === undefined ? {} : { adminApiKey: asked.adminApiKey }),
    ...(asked.authenticators === undefined ? {} : { authenticators: asked.authenticators }),
    ...(asked.stateFile === undefined ? {} : { stateFile: asked.stateFile }),
    ...(asked.explain ? { explain: say } : {}),
    ...(asked.audit
      ? { audit: (event) => process.stdout.write(`${JSON.stringify(event)}\n`) }
      : {}),
    ...logOf(asked),
  }
}

/** With --explain the plain sentences take the place of the log on the terminal, unless it has a file. */
function logOf({ logFile, explain }: Asked): Pick<DevserverOptions, 'log'> {
  if (logFile !== undefined) {
    const file = createWriteStream(logFile, { flags: 'a', mode: 0o600 })
    return { log: (line) => file.write(`${line}\n`) }
  }
  return explain ? {} : { log: say }
}

async function announce(devserver: Devserver, asked: Asked, directory: string): Promise<void> {
  const caFile = asked.caFile ?? join(directory, 'ca.pem')
  const adminApiKeyFile = join(directory, 'admin-api-key')
  await writeFile(caFile, devserver.ca)
  await writeFile(adminApiKeyFile, devserver.adminApiKey, { mode: 0o600 })
  if (!isLoopback(asked.host)) {
    say('! this devserver can be reached from other machines: whatever it holds, anyone may read')
  }
  say(`conjur-agent devserver: a development server, no Conjur; what it holds is gone when it ends`)
  const ready = {
    ready: true,
    url: devserver.url,
    account: devserver.account,
    caFile,
    adminApiKeyFile,
    authenticators: devserver.authenticators,
  }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}

async function read(flag: string, path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new StartError(
      'CONFIG_UNREADABLE',
      `--${flag} ${path} cannot be read (${code})`,
      `name a file that exists: --${flag} FILE`,
    )
  })
}

/** Something in the way of starting, as it is shown. */
class StartError extends Error {
  readonly code: string
  readonly hint: string

  constructor(code: string, message: string, hint: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

function complain(error: unknown): number {
  if (error instanceof FlagError) {
    say(`devserver: ${error.message}\nhint: ${error.hint}`)
    return 2
  }
  if (error instanceof StartError) {
    say(`${error.code}: ${error.message}\nhint: ${error.hint}`)
    return 3
  }
  if (error instanceof PolicyInvalid) {
    const { file, line } = error.place
    say(`CONFIG_INVALID: ${file}:${line}: ${error.message}`)
    say(`hint: correct that line; a policy knows ${tags}`)
    return 3
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    say(
      `CONFIG_INVALID: the address of --listen cannot be had (${code})\nhint: --listen 127.0.0.1:0 takes any free port`,
    )
    return 3
  }
  if (error instanceof Error) {
    say(`CONFIG_INVALID: ${error.message}\nhint: conjur-agent devserver --help shows what it takes`)
    return 3
  }
  throw error
}

/** What a policy is made of. */
const tags =
  '!policy, !user, !host, !group, !layer, !variable, !webservice, !host-factory, !grant, !revoke, !permit, !deny, !delete'

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
