import { faultKinds, type Fault } from './faults.ts'

/** What the flags ask for, understood. */
export interface Asked {
  readonly account: string
  readonly host: string
  readonly port: number
  readonly policyFiles: readonly string[]
  readonly valuesFile: string | undefined
  readonly adminApiKey: string | undefined
  readonly caFile: string | undefined
  readonly stateFile: string | undefined
  readonly logFile: string | undefined
  readonly authenticators: readonly string[] | undefined
  readonly tokenTtlSeconds: number
  readonly faults: readonly Fault[]
  readonly basePath: string
  readonly dapEra: boolean
  readonly audit: boolean
  readonly explain: boolean
}

/** A flag that cannot be used, with what to type instead. */
export class FlagError extends Error {
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.name = 'FlagError'
    this.hint = hint
  }
}

type Flags = Readonly<Record<string, string | boolean>>

/** Reads the flags. Throws {@link FlagError} for the first that cannot be used. */
export function readFlags(flags: Flags): Asked {
  const { host, port } = address(text(flags, 'listen') ?? '127.0.0.1:0')
  if (!isLoopback(host) && flags['allow-remote'] !== true) {
    throw new FlagError(
      `--listen ${host} is no loopback address; a devserver has no secret worth its name`,
      'listen on 127.0.0.1 or ::1, or add --allow-remote',
    )
  }
  return {
    account: text(flags, 'account') ?? 'dev',
    host,
    port,
    policyFiles: list(text(flags, 'policy')),
    valuesFile: text(flags, 'values'),
    adminApiKey: text(flags, 'admin-api-key'),
    caFile: text(flags, 'ca-out'),
    stateFile: text(flags, 'state'),
    logFile: text(flags, 'log'),
    authenticators:
      flags['authenticators'] === undefined ? undefined : list(text(flags, 'authenticators')),
    tokenTtlSeconds: Math.floor(duration('token-ttl', text(flags, 'token-ttl') ?? '480s') / 1000),
    ...plays(list(text(flags, 'play'))),
    audit: flags['audit'] === true,
    explain: flags['explain'] === true,
  }
}

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

function text(flags: Flags, name: string): string | undefined {
  const value = flags[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function list(value: string | undefined): readonly string[] {
  return (value ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

function address(value: string): { host: string; port: number } {
  const [, bracketed, bare, digits] =
    /^(?:\[([\da-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value) ?? []
  const host = bracketed ?? bare
  const port = Number(digits)
  if (host === undefined || port > 65_535) {
    throw new FlagError(
      `--listen takes HOST:PORT, not ${value}`,
      '--listen 127.0.0.1:8443, or [::1]:8443; port 0 takes any free one',
    )
  }
  return { host, port }
}

function duration(name: string, value: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value) ?? []
  if (digits === undefined)
    throw new FlagError(`--${name} takes a time such as 20s or 8m, not ${value}`, `--${name} 20s`)
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  return Number(digits) * (units[unit ?? 's'] ?? 1000)
}

/** What servers in the field do differently: an older era, a base path, faults from the start. */
function plays(names: readonly string[]): Pick<Asked, 'faults' | 'basePath' | 'dapEra'> {
  const base = names.find((name) => name.startsWith('base='))
  return {
    dapEra: names.includes('dap'),
    basePath: base === undefined ? '' : basePath(base.slice('base='.length)),
    faults: names.filter((name) => name !== 'dap' && name !== base).map(fault),
  }
}

function fault(value: string): Fault {
  const [name, length] = value.split(':')
  const kind = faultKinds.find((each) => each === name)
  if (kind === undefined) {
    throw new FlagError(
      `--play does not know ${name}`,
      `--play takes dap, base=/PATH, and ${faultKinds.join(', ')}, each of these with an optional :TIME`,
    )
  }
  return length === undefined ? { kind } : { kind, forMs: duration('play', length) }
}

function basePath(value: string): string {
  if (/^\/[\w./~-]*$/.test(value)) return value.replace(/\/+$/, '')
  throw new FlagError(`--play base= takes a path such as /api, not ${value}`, '--play base=/api')
}
