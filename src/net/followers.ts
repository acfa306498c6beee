import { SendFailure, type HttpReply, type HttpRequest, type Send } from '../core/http.ts'

/** Another server took over, or the first one is asked again. */
export interface Switch {
  readonly from: string
  readonly to: string
  /** What the one that was left had to say; absent where the first one is simply back. */
  readonly why: string | undefined
}

export interface FollowersOptions {
  /** The same Conjur at several addresses, in order of preference; requests are written for the first. */
  readonly servers: readonly [URL, ...URL[]]
  /** Milliseconds that never run backwards. */
  readonly now: () => number
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** 0 to 1, anew at each call. */
  readonly random: () => number
  readonly onSwitch: (change: Switch) => void
}

/** Which of several servers is asked. */
export interface Followers {
  /** The same Send to whichever server it is. */
  readonly through: (send: Send) => Send
  /** How often another server took over: whoever compares two moments knows whether one server was asked. */
  readonly switches: () => number
}

/** The first server is asked again so long after it was left, and up to as much later by chance (P9). */
const RETURN_MS = 300_000
/** Where another server is left to ask, nobody is waited for longer. */
const PATIENCE_MS = 15_000
/** Up to so long, by chance, before the next one is asked: a server that is gone sends everyone at once (P9). */
const PAUSE_MS = 1000

/**
 * Asks the server that answered last. Where no connection comes about, no whole reply or a 5xx, the
 * next one in the list is asked; any other answer, a refusal above all, is the answer. Whoever was
 * left for another is stayed away from, but for the first: it is asked again after a while.
 */
export function createFollowers(options: FollowersOptions): Followers {
  const { servers, now, random } = options
  const [first] = servers
  let current = first
  let returnAt = Infinity
  let switches = 0

  function inOrder(): readonly URL[] {
    const at = servers.indexOf(current)
    const ring = [...servers.slice(at), ...servers.slice(0, at)]
    if (current === first || now() < returnAt) return ring
    return [first, ...ring.filter((server) => server !== first)]
  }

  function settle(server: URL, why: string | undefined): void {
    // Left just now, or asked again in vain: the first one is left alone for another while.
    if (server !== first && (current === first || now() >= returnAt)) {
      returnAt = now() + RETURN_MS * (1 + random())
    }
    if (server === current) return
    const change = { from: current.host, to: server.host, why }
    current = server
    switches++
    options.onSwitch(change)
  }

  const through =
    (send: Send): Send =>
    async (request) => {
      const startedAt = now()
      const patienceMs = Math.min(PATIENCE_MS, request.deadlineMs / servers.length)
      const tried: Ending[] = []
      const left = new Map<URL, string>()
      const order = inOrder()
      for (const server of order) {
        if (tried.length > 0) {
          await options.sleep(random() * Math.min(PAUSE_MS, patienceMs / 2), request.signal)
        }
        const restMs = request.deadlineMs - (now() - startedAt)
        const deadlineMs = server === order.at(-1) ? Math.max(patienceMs, restMs) : patienceMs
        const url = rebased(request.url, first, server)
        const ending = await attempt(send, { ...request, url, deadlineMs })
        if (!isAway(ending)) {
          settle(server, left.get(current))
          return yielded(ending)
        }
        tried.push(ending)
        left.set(server, wordsOf(ending, server))
      }
      return yielded(telling(tried))
    }

  return {
    through: (send) => (servers.length === 1 ? send : through(send)),
    switches: () => switches,
  }
}

/** What came of one try: a reply or the reason why there is none. */
type Ending = { readonly reply: HttpReply } | { readonly failure: SendFailure }

async function attempt(send: Send, request: HttpRequest): Promise<Ending> {
  try {
    const reply = await send(request)
    return { reply: { ...reply, from: request.url.host } }
  } catch (failure) {
    if (!(failure instanceof SendFailure)) throw failure
    return { failure }
  }
}

/** Whether another server may do better. A reply that is too long is one, and longer elsewhere too. */
function isAway(ending: Ending): boolean {
  return 'reply' in ending ? ending.reply.status >= 500 : ending.failure.kind !== 'too-large'
}

/** Of several bad endings the one that says most: a reply, then a failure that time may cure. */
function telling(tried: readonly Ending[]): Ending {
  const [last] = tried.slice(-1)
  const said =
    tried.findLast((ending) => 'reply' in ending) ??
    tried.findLast((ending) => 'failure' in ending && !ending.failure.isTrust) ??
    last
  if (said === undefined) throw new Error('no server was asked')
  return said
}

function yielded(ending: Ending): HttpReply {
  if ('failure' in ending) throw ending.failure
  return ending.reply
}

function wordsOf(ending: Ending, { host }: URL): string {
  return 'reply' in ending ? `${host} answers ${ending.reply.status}` : ending.failure.message
}

/** The same route at another server, below whatever path that one has. */
function rebased(url: URL, from: URL, to: URL): URL {
  const same = new URL(to)
  same.pathname = bare(to) + url.pathname.slice(bare(from).length)
  same.search = url.search
  return same
}

function bare({ pathname }: URL): string {
  return pathname.replace(/\/+$/, '')
}
