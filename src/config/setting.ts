import { isLocalHost } from '../core/local-host.ts'
import { parseDuration } from './duration.ts'

/** A text that a setting does not take, and why: the end of a sentence that begins with the text. */
export class Unfit {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** One row of the settings table. */
export interface Setting<T> {
  /** The environment variable; the incumbents' name where they have one. */
  readonly env: string
  /** The annotation without `conjur.org/`; absent for trust settings, which belong to the administrator (P8). */
  readonly annotation?: string
  /** What is read where nobody set it, written as a user would write it. */
  readonly default?: string
  /** A value that shows the shape, for help and docs. */
  readonly example: string
  /** One sentence: what the setting is for. */
  readonly help: string
  /** Makes the value of a trimmed, non-empty text. */
  readonly parse: (text: string) => T | Unfit
}

export function text(value: string): string {
  return value
}

export function boolean(value: string): boolean | Unfit {
  if (/^(true|yes|on|y|1|t)$/i.test(value)) return true
  if (/^(false|no|off|n|0|f)$/i.test(value)) return false
  return new Unfit('is neither true nor false')
}

export function integer(min: number, max: number): (value: string) => number | Unfit {
  return (value) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN
    return number >= min && number <= max
      ? number
      : new Unfit(`is not a whole number from ${min} to ${max}`)
  }
}

export function oneOf<const Choice extends string>(
  choices: readonly Choice[],
): (value: string) => Choice | Unfit {
  return (value) =>
    choices.find((choice) => choice === value.toLowerCase()) ??
    new Unfit(`is not one of ${choices.join(', ')}`)
}

/** No interval, age or deadline is longer: timers and dates end somewhere. */
const LONGEST_DURATION_MS = 720 * 3_600_000

/** A duration of at least a second: a shorter one would be asked for without a pause. */
export function duration(value: string): number | Unfit {
  const ms = parseDuration(value)
  if (ms === undefined) return new Unfit('is no duration such as 30s, 5m or 1h30m')
  if (ms < 1000) return new Unfit('is shorter than 1s')
  return ms <= LONGEST_DURATION_MS ? ms : new Unfit('is longer than 720h')
}

/** A duration of at least a second, or `off`. */
export function interval(value: string): number | 'off' | Unfit {
  if (value.toLowerCase() === 'off') return 'off'
  if (parseDuration(value) === undefined)
    return new Unfit('is no duration such as 30s or 5m, nor off')
  return duration(value)
}

function httpsUrl(value: string): URL | Unfit {
  if (!URL.canParse(value)) return new Unfit('is no URL such as https://conjur.example.com')
  const url = new URL(value)
  if (url.protocol !== 'https:') return new Unfit('is not https')
  if (url.username !== '' || url.password !== '') return new Unfit('holds a user name or password')
  if (url.search !== '' || url.hash !== '') return new Unfit('holds a query or fragment')
  return url
}

/** One https address or several, with commas or white space between; what is wrong is told of each by its place in the list. */
export function httpsUrls(value: string): readonly [URL, ...URL[]] | Unfit {
  const typed = value.split(/[\s,]+/).filter((item) => item !== '')
  if (typed.length === 1) {
    const url = httpsUrl(typed[0] ?? '')
    return url instanceof Unfit ? url : [url]
  }
  const read = typed.map((item) => httpsUrl(item))
  const urls = read.flatMap((url) => (url instanceof Unfit ? [] : [url]))
  const wrong = read.flatMap((url, index) => {
    const place = `address ${index + 1}`
    if (url instanceof Unfit) return [`${place} ${url.reason}`]
    const same = read.findIndex((other) => other instanceof URL && other.href === url.href)
    return same === index ? [] : [`${place} is address ${same + 1} again`]
  })
  if (wrong.length > 0) return new Unfit(`lists ${typed.length} addresses: ${wrong.join('; ')}`)
  const [first, ...others] = urls
  return first === undefined ? new Unfit('holds no address') : [first, ...others]
}

/** A proxy as HTTPS_PROXY names it; without a scheme it is http. */
export function proxyUrl(value: string): URL | Unfit {
  const typed = value.includes('://') ? value : `http://${value}`
  if (!URL.canParse(typed)) return new Unfit('is no URL such as http://proxy.example.com:3128')
  const url = new URL(typed)
  return /^https?:$/.test(url.protocol) ? url : new Unfit('is neither http nor https')
}

/** An address by http or https of something that is shown no secret of Conjur's. */
export function webUrl(value: string): URL | Unfit {
  if (!URL.canParse(value)) return new Unfit('is no URL such as http://otel-collector:4318')
  const url = new URL(value)
  if (url.username !== '' || url.password !== '') return new Unfit('holds a user name or password')
  return /^https?:$/.test(url.protocol) ? url : new Unfit('is neither http nor https')
}

/** An https address; http too on this machine or its link, where nobody listens in. */
export function authorityUrl(value: string): URL | Unfit {
  const local = localUrl(value)
  return local instanceof Unfit || local.protocol === 'https:' ? httpsUrl(value) : local
}

/** An address on this machine or its link: a credential that is asked for there stays there. */
export function localUrl(value: string): URL | Unfit {
  if (!URL.canParse(value)) return new Unfit('is no URL such as http://127.0.0.1:8080')
  const url = new URL(value)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return new Unfit('is not http')
  return isLocalHost(url.hostname) ? url : new Unfit('is neither a loopback nor a link-local host')
}

/** A version of the metadata service that knows managed identities. */
export function apiVersion(value: string): string | Unfit {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return new Unfit('is no date such as 2018-02-01')
  return value >= '2018-02-01' ? value : new Unfit('is older than 2018-02-01')
}

/** An account, which stands in URLs and before the colon of every resource id. */
export function account(value: string): string | Unfit {
  return /[/:\s]/.test(value) ? new Unfit('holds a slash, a colon or white space') : value
}

/** An absolute path that names a file. */
export function filePath(value: string): string | Unfit {
  return value.endsWith('/') ? new Unfit('names a directory, not a file') : absolutePath(value)
}

export function absolutePath(value: string): string | Unfit {
  if (value.includes('\0')) return new Unfit('holds a NUL')
  return value.startsWith('/') ? value : new Unfit('is not an absolute path')
}

/** Comma-separated words, white space and empty ones dropped. */
export function list(value: string): readonly string[] {
  return (
    value
      .split(/[,\n]/)
      // An annotation holds a YAML list, the environment one with commas.
      .map((item) => item.trim().replace(/^-\s+/, ''))
      .filter((item) => item !== '')
  )
}

/** Names of namespaces with commas between; `*` is refused, since every namespace is no list of allowed ones. */
export function namespaces(value: string): readonly string[] | Unfit {
  const names = list(value)
  const wrong = names.find((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
  if (wrong === '*') return new Unfit('allows every namespace; name those that may be written to')
  return wrong === undefined ? names : new Unfit(`names ${wrong}, which is no namespace`)
}

/** `HOST:PORT`, or `off`. */
export function listenAddress(value: string): { host: string; port: number } | 'off' | Unfit {
  if (value.toLowerCase() === 'off') return 'off'
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]*):(\d{1,5})$/.exec(value)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) return new Unfit('is neither HOST:PORT nor off')
  return { host: (match[1] ?? '').replaceAll(/[[\]]/g, ''), port }
}
