import { request as plainRequest, type IncomingMessage } from 'node:http'

import {
  SendFailure,
  type HttpReply,
  type HttpRequest,
  type Send,
  type SendFailureKind,
} from '../../src/core/http.ts'

/**
 * A Send whose every request goes to a port of this machine, chosen by the URL's host, while
 * URL, Host and headers on the wire stay the real ones. Always plain HTTP: what it carries is
 * under test here, TLS is not.
 */
export function loopbackSend(
  portOf: (host: string) => number,
  /** No request of a test may take longer than this, whatever deadline it has. */
  longestMs = 300,
): Send {
  return (request) =>
    new Promise((resolve, reject) => {
      request.signal.throwIfAborted()
      const { host, hostname } = request.url
      const fail = (kind: SendFailureKind, cause?: unknown): void =>
        reject(new SendFailure(kind, hostname, cause))
      const body = request.body === undefined ? undefined : Buffer.from(request.body)
      const outgoing = plainRequest({
        agent: false,
        host: '127.0.0.1',
        port: portOf(host),
        method: request.method,
        path: request.url.pathname + request.url.search,
        headers: {
          ...request.headers,
          Host: host,
          ...(body === undefined ? {} : { 'Content-Length': body.length }),
        },
        signal: AbortSignal.any([
          request.signal,
          AbortSignal.timeout(Math.min(request.deadlineMs, longestMs)),
        ]),
      })
      let replied = false
      outgoing.on('response', (incoming) => {
        replied = true
        void readReply(incoming, request).then(resolve, fail)
      })
      outgoing.on('error', (error) => {
        if (request.signal.aborted) reject(request.signal.reason)
        else if (error.name === 'AbortError') fail('timeout', error)
        else if ('code' in error && error.code === 'ECONNREFUSED') fail('refused', error)
        else fail(replied ? 'cut' : 'reset', error)
      })
      outgoing.end(body)
    })
}

/** Resolves to the reply, or rejects with the kind of its failure. */
async function readReply(incoming: IncomingMessage, request: HttpRequest): Promise<HttpReply> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of incoming) {
      chunks.push(chunk as Buffer)
      length += (chunk as Buffer).length
      if (length > request.maxBodyBytes) throw 'too-large'
    }
  } catch (error) {
    if (error === 'too-large') throw error
    throw error instanceof Error && error.name === 'AbortError' ? 'timeout' : 'cut'
  }
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? (value[0] ?? '') : (value ?? ''),
    ]),
  )
  return { status: incoming.statusCode ?? 0, headers, body: Buffer.concat(chunks) }
}
