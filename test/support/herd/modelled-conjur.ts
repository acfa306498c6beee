import { SendFailure, type HttpReply, type HttpRequest, type Send } from '../../../src/core/http.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What one Conjur is made of. Times are milliseconds. */
export interface ConjurTraits {
  /** Processes with a processor each; Puma's two. */
  readonly workers: number
  /** Requests that a process has in hand at a time. */
  readonly threads: number
  /** Connections that wait to be accepted; further ones get no answer. */
  readonly backlog: number
  /** Processor time of a login with keys at hand, of a read, and of a TLS handshake. */
  readonly loginMs: number
  readonly readMs: number
  readonly handshakeMs: number
  /** How long a process looks up the issuer's keys at its first logins, and how many logins may wait for that. */
  readonly lookupMs: number
  readonly coldLookups: number
  /** To the server and back. */
  readonly roundTripMs: number
  readonly tokenLifeMs: number
}

/**
 * A Conjur of the size that its makers ship: two processes. Processor times are those that a recorded
 * server gave in `X-Runtime` (login 21 to 49 ms warm, batch 11 ms); the rest is what its sources say.
 */
export const usualConjur: ConjurTraits = {
  workers: 2,
  threads: 5,
  backlog: 1024,
  loginMs: 25,
  readMs: 11,
  handshakeMs: 1,
  lookupMs: 300,
  coldLookups: 3,
  roundTripMs: 2,
  tokenLifeMs: 480_000,
}

/** From when to when something is wrong: the database away, or nobody at the address at all. */
export interface Outage {
  readonly kind: 'database' | 'gone'
  readonly from: number
  readonly until: number
}

/** One second of a server's life. */
export interface Second {
  logins: number
  reads: number
  /** Answered with 200. */
  loginsServed: number
  readsServed: number
  /** Answered 5xx, or 401 for want of a database. */
  refused: number
  /** Connections that were not answered. */
  dropped: number
  handshakes: number
}

export interface ModelledConjur {
  /** A way to it for one agent, which keeps its connection for as long as the real one does. */
  connect(): Send
  /** One by one from the beginning to now. */
  seconds(): readonly Second[]
}

/** As `net/send.ts` keeps a connection. */
const KEPT_MS = 70_000
const CONNECT_MS = 10_000

interface Job {
  readonly isLogin: boolean
  readonly request: HttpRequest
  readonly answer: (reply: HttpReply) => void
  /** Processor time before anything else: a handshake. */
  readonly beforeMs: number
}

/** A Conjur in virtual time: processor, threads, backlog, key cache and database; values and signatures are not looked at. */
export function modelledConjur(
  time: VirtualTime,
  {
    traits = usualConjur,
    outages = [],
  }: { traits?: ConjurTraits; outages?: readonly Outage[] } = {},
): ModelledConjur {
  const seconds: Second[] = []
  const never = new AbortController().signal
  const waiting: Job[] = []
  const workers = Array.from({ length: traits.workers }, () => ({
    busyUntil: 0,
    inHand: 0,
    isWarm: false,
    lookups: 0,
    lookedUpAt: 0,
  }))
  type Worker = (typeof workers)[number]

  const now = (): Second | undefined => {
    const at = Math.floor(time.now() / 1000)
    while (seconds.length <= at) {
      seconds.push({
        logins: 0,
        reads: 0,
        loginsServed: 0,
        readsServed: 0,
        refused: 0,
        dropped: 0,
        handshakes: 0,
      })
    }
    return seconds[at]
  }
  const count = (what: keyof Second): void => {
    const second = now()
    if (second !== undefined) second[what]++
  }
  const outage = (): Outage['kind'] | undefined =>
    outages.find(({ from, until }) => time.now() >= from && time.now() < until)?.kind

  /** The process's one processor, first come, first served. */
  async function compute(worker: Worker, ms: number): Promise<void> {
    worker.busyUntil = Math.max(worker.busyUntil, time.now()) + ms
    await time.sleep(worker.busyUntil - time.now(), never)
  }

  async function handle(worker: Worker, job: Job): Promise<HttpReply> {
    if (job.beforeMs > 0) await compute(worker, job.beforeMs)
    if (outage() === 'database') {
      await compute(worker, 3)
      count('refused')
      return reply(job.isLogin ? 401 : 500)
    }
    if (!job.isLogin) {
      await compute(worker, traits.readMs)
      count('readsServed')
      return batchReply(job.request)
    }
    if (!worker.isWarm) {
      if (worker.lookups >= traits.coldLookups) {
        await compute(worker, 1)
        count('refused')
        return reply(503)
      }
      if (worker.lookups === 0) worker.lookedUpAt = time.now() + traits.lookupMs
      worker.lookups++
      await time.sleep(worker.lookedUpAt - time.now(), never)
      worker.lookups--
      worker.isWarm = true
    }
    await compute(worker, traits.loginMs)
    count('loginsServed')
    return tokenReply(time.now(), traits.tokenLifeMs)
  }

  function takeUp(): void {
    for (;;) {
      const free = workers.filter(({ inHand }) => inHand < traits.threads)
      const worker = free.toSorted((one, other) => one.inHand - other.inHand)[0]
      const job = worker && waiting.shift()
      if (worker === undefined || job === undefined) return
      worker.inHand++
      void handle(worker, job).then((answer) => {
        worker.inHand--
        job.answer(answer)
        takeUp()
      })
    }
  }

  return {
    seconds() {
      now()
      return seconds
    },
    connect() {
      let usedAt = -Infinity
      return async (request) => {
        const isLogin = request.method === 'POST'
        const isKept = time.now() - usedAt <= KEPT_MS
        await time.sleep(traits.roundTripMs * (isKept ? 0.5 : 1.5), request.signal)
        count(isLogin ? 'logins' : 'reads')
        const host = request.url.host
        if (outage() === 'gone') {
          usedAt = -Infinity
          throw new SendFailure('refused', host)
        }
        if (!isKept) {
          if (waiting.length >= traits.backlog) {
            count('dropped')
            await time.sleep(Math.min(CONNECT_MS, request.deadlineMs), request.signal)
            throw new SendFailure('timeout', host)
          }
          count('handshakes')
        }
        const answered = Promise.withResolvers<HttpReply>()
        const beforeMs = isKept ? 0 : traits.handshakeMs
        waiting.push({ isLogin, request, beforeMs, answer: (got) => answered.resolve(got) })
        takeUp()
        const over = new AbortController()
        const until = AbortSignal.any([over.signal, request.signal])
        try {
          const got = await Promise.race([
            answered.promise,
            time.sleep(request.deadlineMs, until).then((): undefined => undefined),
          ])
          if (got === undefined) throw new SendFailure('timeout', host)
          usedAt = time.now()
          return got
        } catch (error) {
          // The server goes on with what nobody waits for any more.
          usedAt = -Infinity
          throw error
        } finally {
          over.abort(new Error('answered'))
        }
      }
    },
  }
}

function reply(status: number, body = ''): HttpReply {
  const type = body === '' ? {} : { 'content-type': 'application/json; charset=utf-8' }
  return { status, headers: type, body: Buffer.from(body) }
}

const SIGNED = 'c2ln'.repeat(96)
const PROTECTED = encoded({ alg: 'conjur.org/slosilo/v2', kid: 'f00d' })

function tokenReply(now: number, lifeMs: number): HttpReply {
  const iat = Math.floor(now / 1000)
  const payload = encoded({ iat, sub: 'host/apps/web', exp: iat + lifeMs / 1000 })
  return reply(200, JSON.stringify({ protected: PROTECTED, payload, signature: SIGNED }))
}

function batchReply({ url }: HttpRequest): HttpReply {
  const ids = (url.searchParams.get('variable_ids') ?? '').split(',')
  return reply(200, JSON.stringify(Object.fromEntries(ids.map((id) => [id, 'value']))))
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
