import { hostname } from 'node:os'
import { listenAddress, Unfit } from '../config/setting.ts'
import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import type { CertificateFiles } from './certificate.ts'

/** Where to listen; an empty host is every address of the machine. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** What an injector is started with, beside its settings. */
export interface CommandLine {
  readonly listen: Address
  readonly statusListen: Address
  /** The supplied certificate; undefined: the injector makes its own. */
  readonly files: CertificateFiles | undefined
  /** This replica's name among the others: its pod's. */
  readonly identity: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
}

/** Reads the injector's flags. Throws a UsageError. */
export function readCommandLine(invocation: Invocation): CommandLine {
  return {
    listen: address(invocation, 'listen', '0.0.0.0:8443'),
    statusListen: address(invocation, 'status-listen', '0.0.0.0:8080'),
    files: certificateFiles(invocation),
    identity: invocation.environment['MY_POD_NAME'] ?? hostname(),
    logLevel: logLevel(invocation),
  }
}

/** An address as it is typed. */
export function shown({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function address({ flags }: Invocation, name: string, usual: string): Address {
  const typed = flags[name] ?? usual
  const read = listenAddress(String(typed))
  if (read !== 'off' && !(read instanceof Unfit)) return read
  throw new UsageError('USAGE', `--${name} "${String(typed)}" is no address`, {
    hint: `write it as HOST:PORT, such as --${name} ${usual}`,
  })
}

function certificateFiles({ flags }: Invocation): CertificateFiles | undefined {
  const { 'tls-cert': cert, 'tls-key': key, config } = flags
  if (typeof cert === 'string' && typeof key === 'string') return { cert, key }
  if (cert === undefined && key === undefined && config !== undefined) return undefined
  const missing = cert === undefined ? 'tls-cert' : 'tls-key'
  throw new UsageError('USAGE', `--${missing} is missing`, {
    hint: 'name the serving certificate: --tls-cert FILE --tls-key FILE, or a --config FILE with certificate.mode self',
  })
}

const levels = ['debug', 'info', 'warn', 'error'] as const

function logLevel({ flags, environment }: Invocation): CommandLine['logLevel'] {
  const typed = flags['log-level'] ?? environment['LOG_LEVEL'] ?? 'info'
  const level = levels.find((candidate) => candidate === typed)
  if (level !== undefined) return level
  throw new UsageError('USAGE', `there is no log level ${String(typed)}`, {
    hint: `write one of ${levels.join(', ')}`,
  })
}
