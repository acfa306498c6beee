import { createHash } from 'node:crypto'

/**
 * A reply before the last touches. The layer says who in the real server writes it, which decides
 * the headers around it: the controller, the middleware before it, or the handler of what nobody
 * caught.
 */
export interface Reply {
  readonly status: number
  readonly layer: 'controller' | 'middleware' | 'exception'
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Rendered, not just a status: then the reply varies with Accept. */
  readonly rendered: boolean
}

/** Thrown to answer from anywhere in a handler. */
export class Halt extends Error {
  readonly reply: Reply

  constructor(reply: Reply) {
    super(`answers ${reply.status}`)
    this.name = 'Halt'
    this.reply = reply
  }
}

const empty = Buffer.alloc(0)

/** A status and nothing else. */
export function head(status: number): Reply {
  return {
    status,
    layer: 'controller',
    headers: status === 204 ? [] : [['Content-Type', 'text/html']],
    body: empty,
    rendered: false,
  }
}

/** A JSON document, escaped as the real server escapes it. */
export function json(value: unknown, status = 200): Reply {
  return rendered(status, { type: 'application/json; charset=utf-8', body: escapeJson(value) })
}

export function plain(text: string, status = 200): Reply {
  return rendered(status, { type: 'text/plain; charset=utf-8', body: text })
}

/** Bytes of any type, such as a page or a policy. */
export function rendered(
  status: number,
  content: { readonly type: string; readonly body: string | Buffer },
): Reply {
  return {
    status,
    layer: 'controller',
    headers: [['Content-Type', content.type]],
    body: Buffer.from(content.body),
    rendered: true,
  }
}

/** `{"error":{"code":…,"message":…}}` with whatever else belongs to it. */
export function failure(
  status: number,
  error: { readonly code: string; readonly message: string } & Readonly<Record<string, unknown>>,
): Reply {
  return json({ error }, status)
}

/** A refusal before routing: a short text. */
export function middleware(status: number, text: string): Reply {
  return {
    status,
    layer: 'middleware',
    headers: [['Content-Type', 'text/plain']],
    body: Buffer.from(text),
    rendered: false,
  }
}

/** No route, or a defect that nobody caught: empty, or JSON where Accept asks for it. */
export function exception(status: number, accept: string | undefined): Reply {
  const asJson = /^application\/json\b/.test(accept ?? '')
  return {
    status,
    layer: 'exception',
    headers: [
      ['Content-Type', asJson ? 'application/json; charset=utf-8' : 'text/html; charset=utf-8'],
    ],
    body: asJson ? Buffer.from(JSON.stringify({ status, error: reasons[status] })) : empty,
    rendered: false,
  }
}

/** Adds headers in front of those a reply has. */
export function withHeaders(
  reply: Reply,
  ...headers: readonly (readonly [string, string])[]
): Reply {
  return { ...reply, headers: [...headers, ...reply.headers] }
}

/** What the last touches need to know of the request. */
export interface Asked {
  readonly method: string
  readonly accept: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly requestId: string
  readonly runtimeSeconds: number
}

/** Adds what the real server adds to every reply: security headers, ETag, Vary, ids and length. */
export function finish(reply: Reply, asked: Asked): Reply {
  const tagged = [200, 201].includes(reply.status) && reply.body.length > 0
  const etag = `W/"${createHash('sha256').update(reply.body).digest('hex').slice(0, 32)}"`
  const unchanged =
    tagged && reply.status === 200 && isRead(asked.method) && asked.ifNoneMatch === etag
  const headers: (readonly [string, string])[] = [
    ...(reply.layer === 'controller' ? securityHeaders : []),
    ...reply.headers.filter(([name]) => !(unchanged && name === 'Content-Type')),
    ...(reply.rendered && variesWith(asked.accept) ? [['Vary', 'Accept'] as const] : []),
    ...(tagged ? [['ETag', etag] as const] : []),
    ...cacheControl(reply, tagged),
    ['X-Request-Id', asked.requestId],
    ['X-Runtime', asked.runtimeSeconds.toFixed(6)],
  ]
  const status = unchanged ? 304 : reply.status
  if (status !== 204) headers.push(['Content-Length', unchanged ? '0' : `${reply.body.length}`])
  return { ...reply, status, headers, body: isBodyless(status, asked.method) ? empty : reply.body }
}

function isBodyless(status: number, method: string): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Browsers send a list of types that ends in anything: the real server takes no notice of those. */
function variesWith(accept: string | undefined): boolean {
  return accept !== undefined && accept !== '' && !/,\s*\*\/\*|\*\/\*\s*,/.test(accept)
}

function cacheControl(reply: Reply, tagged: boolean): (readonly [string, string])[] {
  if (reply.layer === 'exception') return []
  return [['Cache-Control', tagged ? 'max-age=0, private, must-revalidate' : 'no-cache']]
}

function escapeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The words that stand in a status line. */
export const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

const securityHeaders = [
  ['X-Frame-Options', 'SAMEORIGIN'],
  ['X-XSS-Protection', '1; mode=block'],
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Download-Options', 'noopen'],
  ['X-Permitted-Cross-Domain-Policies', 'none'],
  ['Referrer-Policy', 'strict-origin-when-cross-origin'],
] as const
