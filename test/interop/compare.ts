import type { Exchange } from './recorded.ts'
import type { WireReply } from './wire.ts'

/** What differs between a recorded reply and another server's, one line each; none if they are alike. */
export function differences(
  exchange: Exchange,
  reply: WireReply,
  log: readonly string[],
): string[] {
  const { response } = exchange
  const found: string[] = []
  const check = (what: string, expected: unknown, actual: unknown): void => {
    if (expected !== actual) found.push(`${what}: recorded ${show(expected)}, got ${show(actual)}`)
  }
  check('status', response.status, reply.status)
  check('status text', response.statusText, reply.statusText)
  check('HTTP version', response.httpVersion ?? 'HTTP/1.1', reply.httpVersion)
  const headers = new Map(reply.headers)
  for (const [name, value] of Object.entries(response.headers)) {
    if (exchange.volatile.includes(`header ${name}`))
      check(`presence of ${name}`, true, headers.has(name))
    else check(name, value, headers.get(name))
  }
  for (const name of [
    'Content-Type',
    'Content-Encoding',
    'ETag',
    'Vary',
    'Location',
    'Retry-After',
  ]) {
    if (!(name in response.headers)) check(`absence of ${name}`, false, headers.has(name))
  }
  checkBody(exchange, reply, check)
  for (const line of exchange.serverLog ?? []) {
    if (isOurs(line))
      check(
        `log line ${line}`,
        true,
        log.some((each) => masked(each) === masked(line)),
      )
    for (const [code] of line.matchAll(/CONJ\d{5}[EWI]/g)) {
      check(
        `code ${code} in the log`,
        true,
        log.some((each) => each.includes(code)),
      )
    }
  }
  return found
}

type Check = (what: string, expected: unknown, actual: unknown) => void

function checkBody(exchange: Exchange, reply: WireReply, check: Check): void {
  const { response, volatile, issuedToken } = exchange
  if (issuedToken !== undefined) return checkToken(issuedToken, reply, check)
  const expected =
    response.bodyBase64 === undefined
      ? Buffer.from(response.body ?? '')
      : Buffer.from(response.bodyBase64, 'base64')
  if (volatile.includes('body.apiKey')) {
    check('shape of the API key', true, /^[0-9a-hjkmnp-tv-z]{40,60}$/.test(reply.body.toString()))
  } else if (volatile.some((name) => name.startsWith('body.'))) {
    check('body, masked', maskedBody(expected), maskedBody(reply.body))
  } else check('body', expected.toString('latin1'), reply.body.toString('latin1'))
}

function checkToken(
  issued: NonNullable<Exchange['issuedToken']>,
  reply: WireReply,
  check: Check,
): void {
  const text = reply.body.toString('latin1')
  const json = issued.encoding === 'base64' ? Buffer.from(text, 'base64').toString('utf8') : text
  if (issued.encoding === 'base64')
    check('strict base64', text, Buffer.from(json).toString('base64'))
  const token: Record<string, string> = JSON.parse(json)
  check('members', 'protected,payload,signature', Object.keys(token).join(','))
  const payload: Record<string, unknown> = JSON.parse(
    Buffer.from(token['payload'] ?? '', 'base64url').toString(),
  )
  check('claims', 'iat,sub,exp', Object.keys(payload).join(','))
  check('sub', issued.login, payload['sub'])
  check('life', issued.ttl, Number(payload['exp']) - Number(payload['iat']))
  check('length of the signature', 384, token['signature']?.length)
}

/** Lines that say something of Conjur's own, not of its runtime's inner workings. */
function isOurs(line: string): boolean {
  return (
    !line.startsWith('NoMethodError') &&
    !line.startsWith('undefined method') &&
    !line.includes('No route matches [GET] "/nope"') &&
    !line.includes('"/authn-jwt/myaccount/authenticate"')
  )
}

function masked(line: string): string {
  return line.replace(/Reason: .*$/s, 'Reason: …')
}

function maskedBody(body: Buffer): string {
  return body
    .toString('utf8')
    .replace(
      /"(created_at|token_issued_at)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"/g,
      '"$1":…',
    )
    .replace(/"version":(\d+|"[^"]+")/g, '"version":…')
    .replace(/Reason: .*$/s, 'Reason: …')
}

function show(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 400 ? `${text.slice(0, 400)}…` : text
}
