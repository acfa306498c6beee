import type { HttpReply, HttpRequest, Send } from '../../src/core/http.ts'

/** A Send that answers from a function and remembers what was asked. */
export interface ScriptedSend {
  readonly send: Send
  readonly requests: readonly HttpRequest[]
}

export function scriptedSend(
  answer: (request: HttpRequest, index: number) => HttpReply,
): ScriptedSend {
  const requests: HttpRequest[] = []
  return {
    requests,
    async send(request) {
      request.signal.throwIfAborted()
      requests.push(request)
      return answer(request, requests.length - 1)
    },
  }
}

/** A reply as `send` yields it. */
export function reply(
  status: number,
  body: string | Uint8Array = '',
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  return { status, headers, body: Buffer.from(body) }
}

/** The JSON text of an access token such as Conjur issues. */
export function accessTokenJson(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  return JSON.stringify({
    protected: part({ alg: 'conjur.org/slosilo/v2', kid: 'f00d' }),
    payload: part(claims),
    signature: 'c2ln'.repeat(96),
  })
}
