import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A request, read to its end and taken apart as far as every route needs it. */
export interface Request {
  readonly method: string
  /** As sent, base path taken off, without the query. */
  readonly path: string
  /** Decoded; of a repeated name the last value. */
  readonly query: ReadonlyMap<string, string>
  readonly body: Buffer
  readonly clientIp: string
  readonly requestId: string
  header(name: string): string | undefined
}

/** The reply to a query that cannot be decoded is 400. */
export class BadQuery extends Error {}

/** Puts a request together. Throws {@link BadQuery} where the query is no percent-encoded UTF-8. */
export function toRequest(message: IncomingMessage, path: string, body: Buffer): Request {
  const [raw, query] = split(path)
  const header = (name: string): string | undefined => {
    const value = message.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
  return {
    method: message.method ?? 'GET',
    path: raw,
    query: parseQuery(query ?? ''),
    body,
    clientIp: clientIp(message.socket.remoteAddress ?? '', header('x-forwarded-for')),
    requestId: requestId(header('x-request-id')),
    header,
  }
}

/** Percent-decodes one path segment, once; what is no percent-encoding stays as it is. */
export function decodeSegment(segment: string): string {
  const bytes = segment.replace(/%[0-9a-fA-F]{2}/g, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** The id under which the log files a request: the client's, cleaned, or a fresh one. */
export function requestId(sent: string | undefined): string {
  const clean = (sent ?? '').replace(/[^\w\-@]/g, '').slice(0, 255)
  return clean === '' ? randomUUID() : clean
}

function split(target: string): [string, string | undefined] {
  const mark = target.indexOf('?')
  return mark < 0 ? [target, undefined] : [target.slice(0, mark), target.slice(mark + 1)]
}

function parseQuery(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = equals < 0 ? pair : pair.slice(0, equals)
    found.set(decodeQuery(name), decodeQuery(equals < 0 ? '' : pair.slice(equals + 1)))
  }
  return found
}

function decodeQuery(text: string): string {
  try {
    const bytes = Buffer.from(text, 'latin1').toString('utf8')
    return decodeURIComponent(bytes.replaceAll('+', ' '))
  } catch {
    throw new BadQuery('the query is no percent-encoded UTF-8')
  }
}

/** The peer, or, where that is this machine, the last address that was forwarded from elsewhere. */
function clientIp(peer: string, forwarded: string | undefined): string {
  const address = peer.replace(/^::ffff:/, '')
  if (!isLoopback(address)) return address
  const chain = (forwarded ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  return chain.findLast((each) => !isLoopback(each)) ?? chain[0] ?? address
}

function isLoopback(address: string): boolean {
  return address === '127.0.0.1' || address === '::1'
}
