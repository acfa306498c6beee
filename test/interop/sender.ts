import { createPrivateKey, createSign } from 'node:crypto'
import type { Devserver } from '../../src/devserver/server.ts'
import { ask, tokenFor } from '../devserver/client.ts'
import type { Exchange, recorded } from './recorded.ts'
import { exchangeOnWire, requestBytes, type WireReply } from './wire.ts'

/** What a replay needs beside the exchange. */
export interface Stage {
  readonly server: Devserver
  readonly record: ReturnType<typeof recorded>
  /** Text that stands for another in this run, such as an issuer's port. */
  readonly rewrite: (text: string) => string
  /** Milliseconds since 1970, by the server's clock. */
  readonly now: () => number
  /** Sets the server's clock forward, in seconds. */
  readonly wait: (seconds: number) => void
}

/** Sends the request of an exchange: JWTs as recorded, or minted anew; tokens and keys of this server's own. */
export async function replay(
  stage: Stage,
  exchange: Exchange,
  mode: 'verbatim' | 'renewed',
): Promise<WireReply> {
  const { request } = exchange
  const headers = { ...request.headers }
  let body =
    request.bodyBase64 === undefined
      ? Buffer.from(request.body ?? '')
      : Buffer.from(request.bodyBase64, 'base64')
  if (exchange.apiKeyOf !== undefined) {
    const old = stage.record.apiKeys[exchange.apiKeyOf] ?? ''
    const key = stage.server.apiKeyOf(exchange.apiKeyOf) ?? ''
    body = Buffer.from(body.toString('latin1').replace(old, key), 'latin1')
    const basic = headers['Authorization']?.replace(/^Basic /, '')
    if (basic !== undefined) {
      const pair = Buffer.from(basic, 'base64').toString().replace(old, key)
      headers['Authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`
    }
  }
  if (mode === 'renewed' && exchange.jwtClaims !== undefined) {
    const fresh = mint(stage, exchange)
    const jwt = /[\w-]+\.[\w-]+\.[\w-]*/
    if (jwt.test(body.toString('latin1')))
      body = Buffer.from(body.toString('latin1').replace(jwt, fresh))
    else headers['Authorization'] = headers['Authorization']?.replace(jwt, fresh) ?? ''
  }
  if (exchange.conjurToken !== undefined && exchange.conjurToken.form !== 'as recorded') {
    headers['Authorization'] = await authorization(stage, exchange, headers['Authorization'] ?? '')
    if (exchange.conjurToken.ageSeconds !== undefined) stage.wait(exchange.conjurToken.ageSeconds)
  }
  if ('Content-Length' in headers) headers['Content-Length'] = `${body.length}`
  if ('If-None-Match' in headers && mode === 'renewed') {
    const seen = await ask(stage.server, {
      path: request.path,
      headers: { authorization: headers['Authorization'] ?? '' },
    })
    headers['If-None-Match'] = String(seen.headers['etag'])
  }
  return exchangeOnWire(stage.server, requestBytes({ ...request, headers, body }))
}

/** A JWT as the exchange had it, for now. */
function mint(stage: Stage, exchange: Exchange): string {
  const now = Math.floor(stage.now() / 1000)
  const times = Object.fromEntries(
    Object.entries(exchange.jwtTimes ?? {}).map(([name, offset]) => [name, now + offset]),
  )
  const exp = exchange.ttl === null || exchange.ttl === undefined ? {} : { exp: now + exchange.ttl }
  const claims = stage.rewrite(JSON.stringify({ ...times, ...exp, ...exchange.jwtClaims }))
  const signed = `${encode(JSON.stringify(exchange.jwtHeader))}.${encode(claims)}`
  if (exchange.jwtKey === null || exchange.jwtKey === undefined)
    return `${signed}.${exchange.jwtSignature ?? ''}`
  const key = createPrivateKey({ key: { ...stage.record.jwk(exchange.jwtKey) }, format: 'jwk' })
  const signature = createSign('sha256').update(signed).sign(key).toString('base64url')
  const end = exchange.jwtSignatureEnd ?? ''
  return `${signed}.${signature.slice(0, signature.length - end.length)}${end}`
}

async function authorization(stage: Stage, exchange: Exchange, old: string): Promise<string> {
  const { login = '', form } = exchange.conjurToken ?? {}
  const { authorization } = await tokenFor(stage.server, login, stage.server.apiKeyOf(login) ?? '')
  const issued = /"(.*)"/.exec(authorization)?.[1] ?? ''
  const text = shaped(issued, form)
  if (/"[^]*"/.test(old)) return old.replace(/"[^]*"/, () => `"${text}"`)
  return old.replace(/\S+$/, () => text)
}

function shaped(base64: string, form: string | undefined): string {
  const json = Buffer.from(base64, 'base64').toString()
  switch (form) {
    case undefined:
      return base64
    case 'raw JSON':
      return json
    case 'no padding':
      return base64.replace(/=+$/, '')
    case 'URL-safe base64':
      return base64.replaceAll('+', '-').replaceAll('/', '_')
    case 'last 8 characters of signature replaced by AAAAAAAA':
      return Buffer.from(json.replace(/.{8}"}$/, 'AAAAAAAA"}')).toString('base64')
    default:
      throw new Error(`unknown form ${form}`)
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
