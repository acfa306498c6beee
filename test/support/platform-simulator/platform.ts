import type { IncomingMessage, ServerResponse } from 'node:http'

import type { Send } from '../../../src/core/http.ts'
import { bodyOf, loopbackServer } from '../loopback-server.ts'
import { loopbackSend } from '../loopback-send.ts'

/**
 * The platforms' endpoints, simulated: one server that answers by the Host on the wire, plays
 * scripted faults before it answers truly, records every request, and keeps a list of what a
 * well-behaved client would never have sent. It shares no code with the sources it tests.
 */
export interface Platform {
  /** Carries requests to the simulated endpoints; the wire holds the real URL, Host and headers. */
  readonly send: Send
  /** The hosts that are played. */
  readonly hosts: readonly string[]
  readonly requests: readonly SeenRequest[]
  /** What was wrong with the requests; a good client leaves this empty. */
  readonly violations: readonly string[]
  /** Plays the steps in turn for this host, then answers truly. */
  script(host: string, steps: readonly Step[]): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface SeenRequest {
  readonly at: number
  readonly host: string
  readonly method: string
  /** Path and query as on the wire. */
  readonly target: string
  readonly path: string
  readonly query: URLSearchParams
  /** Names as on the wire. */
  readonly rawHeaders: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What an endpoint answers truly, and what it finds wrong with a request. */
export type Endpoint = (
  request: SeenRequest,
  violation: (what: string) => void,
) => Reply | Promise<Reply>

export type Fault =
  | Reply
  | 'refused'
  | 'reset'
  | 'silent'
  | 'headers-then-silent'
  | 'cut'
  | 'endless'
  | 'slow'
  | 'dribbled'

/** A fault, once, so many times, or for so long by the injected clock. */
type Step =
  | Fault
  | { readonly fault: Fault; readonly times: number }
  | { readonly fault: Fault; readonly forMs: number }

export async function startPlatform(
  endpoints: Readonly<Record<string, Endpoint>>,
  clock: { now(): number },
): Promise<Platform> {
  const requests: SeenRequest[] = []
  const violations: string[] = []
  const scripts = new Map<string, Playing[]>()

  const server = await loopbackServer((request, response) => {
    response.sendDate = false
    response.setHeader('Date', new Date(clock.now()).toUTCString())
    void serve(request, response).catch((error: unknown) => {
      violations.push(`the simulator failed: ${String(error)}`)
      response.destroy()
    })
  })
  // A port that nobody listens on, for endpoints that are not there yet.
  const gone = await loopbackServer(() => {})
  await gone.close()

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = await see(request, clock.now())
    requests.push(seen)
    const violation = (what: string): void => {
      violations.push(`${seen.method} ${seen.host}${seen.path}: ${what}`)
    }
    inspectCommon(seen, violation)
    const fault = nextFault(scripts.get(seen.host), clock.now())
    const endpoint = endpoints[seen.host]
    if (endpoint === undefined) violation('a host that nobody should ask')
    const truth = (await endpoint?.(seen, violation)) ?? { status: 404 }
    play(response, fault ?? truth, truth)
  }

  const send = loopbackSend((host) => {
    const playing = scripts.get(host)
    if (peekFault(playing, clock.now()) !== 'refused') return server.port
    nextFault(playing, clock.now())
    return gone.port
  })
  const close = (): Promise<void> => server.close()
  return {
    send,
    hosts: Object.keys(endpoints),
    requests,
    violations,
    script: (host, steps) => {
      scripts.set(host, steps.map(toPlaying))
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface Playing {
  readonly fault: Fault
  left: number
  forMs?: number
  until?: number
}

function toPlaying(step: Step): Playing {
  if (typeof step === 'string' || !('fault' in step)) return { fault: step, left: 1 }
  if ('times' in step) return { fault: step.fault, left: step.times }
  return { fault: step.fault, left: Infinity, forMs: step.forMs }
}

function peekFault(script: Playing[] | undefined, now: number): Fault | undefined {
  for (;;) {
    const first = script?.[0]
    if (first === undefined) return undefined
    if (first.forMs !== undefined) first.until ??= now + first.forMs
    if (first.left > 0 && (first.until === undefined || now < first.until)) return first.fault
    script?.shift()
  }
}

function nextFault(script: Playing[] | undefined, now: number): Fault | undefined {
  const fault = peekFault(script, now)
  if (fault !== undefined && script?.[0] !== undefined) script[0].left -= 1
  return fault
}

async function see(request: IncomingMessage, at: number): Promise<SeenRequest> {
  const url = new URL(request.url ?? '/', 'http://simulated')
  return {
    at,
    host: request.headers.host ?? '',
    method: request.method ?? '',
    target: request.url ?? '/',
    path: url.pathname,
    query: url.searchParams,
    rawHeaders: request.rawHeaders,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    ),
    body: await bodyOf(request),
  }
}

function inspectCommon(seen: SeenRequest, violation: (what: string) => void): void {
  for (const name of [
    'x-forwarded-for',
    'via',
    'forwarded',
    'cookie',
    'referer',
    'proxy-connection',
  ]) {
    if (seen.headers[name] !== undefined) violation(`carries ${name}`)
  }
  if (!seen.target.startsWith('/')) violation('a request line in proxy form')
  const names = [...seen.query.keys()]
  for (const name of new Set(names)) {
    if (names.filter((other) => other === name).length > 1) violation(`query name ${name} twice`)
  }
  if (/eyJ[\w-]{10,}/.test(seen.target)) violation('a token in the URL')
}

function play(response: ServerResponse, fault: Fault, truth: Reply): void {
  switch (fault) {
    case 'refused':
    case 'reset':
      response.destroy()
      return
    case 'silent':
      return
    case 'headers-then-silent':
      response.writeHead(200, { 'Content-Length': '1000' })
      response.flushHeaders()
      return
    case 'cut':
      response.writeHead(200, { 'Content-Length': '1000' })
      response.write(truth.body?.slice(0, 20) ?? '{', () => response.destroy())
      return
    case 'endless': {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
      return
    }
    case 'slow':
      setTimeout(() => play(response, truth, truth), 100)
      return
    case 'dribbled':
      response.writeHead(truth.status, truth.headers)
      dribble(response, truth.body ?? '')
      return
    default:
      response.writeHead(fault.status, fault.headers)
      response.end(fault.body)
  }
}

/** Sends a body in ten pieces, each a packet of its own. */
function dribble(response: ServerResponse, body: string): void {
  const size = Math.max(1, Math.ceil(body.length / 10))
  const [piece, rest] = [body.slice(0, size), body.slice(size)]
  response.write(piece, () => {
    if (rest === '') response.end()
    else setImmediate(() => dribble(response, rest))
  })
}
