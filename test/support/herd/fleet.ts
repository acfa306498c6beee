import type { AccessToken } from '../../../src/conjur/access-token.ts'
import { authenticate } from '../../../src/conjur/authenticate.ts'
import { retrieve } from '../../../src/conjur/retrieve.ts'
import { awake } from '../../../src/agent/awake.ts'
import type { Report, Stages } from '../../../src/agent/cycle.ts'
import type { HeldToken } from '../../../src/agent/memory.ts'
import { loop } from '../../../src/agent/loop.ts'
import type { Waking } from '../../../src/agent/waking.ts'
import { createWake } from '../../../src/agent/wake.ts'
import type { HttpRequest, Send } from '../../../src/core/http.ts'
import { Secret } from '../../../src/core/secret.ts'
import { createFollowers } from '../../../src/net/followers.ts'
import { modelledConjur, type ConjurTraits, type Outage, type Second } from './modelled-conjur.ts'
import { seeded, virtualTime } from './virtual-time.ts'

/** Many agents and the servers they ask. Times are milliseconds. */
export interface FleetOptions {
  readonly agents: number
  /** All agents start within this time. */
  readonly startWithinMs: number
  readonly untilMs: number
  readonly refreshIntervalMs: number
  /** In order of preference; one unless said otherwise. */
  readonly servers?: readonly { readonly outages?: readonly Outage[] }[]
  readonly traits?: ConjurTraits
  readonly seed?: number
  /** What agents do between passes; `stay` unless said otherwise. */
  readonly idle?: 'stay' | 'hibernate'
  /** Agents find the token of the container before them, of any age at which one is still fresh. */
  readonly takeOver?: boolean
  /** What is looked at when it is over: agents without a live token, every so often. */
  readonly lookEveryMs?: number
}

/** What happened. */
export interface Fleet {
  /** Of each server, what it saw in each second. */
  readonly servers: readonly (readonly Second[])[]
  /** When each agent's pass with values ended well, in order; by agent. */
  readonly published: readonly (readonly number[])[]
  /** At each look, how many agents held an access token that had ended, or none. */
  readonly tokenless: readonly { readonly at: number; readonly count: number }[]
  readonly loginsOfEach: readonly number[]
  readonly requestsOfEach: readonly number[]
}

const VARIABLES = Array.from({ length: 10 }, (_, index) => `apps/web/value-${index}`)

/** Runs the agent's own loop, schedule, back-off and choice of server for each agent, in virtual time. */
export async function runFleet(options: FleetOptions): Promise<Fleet> {
  const time = virtualTime()
  const random = seeded(options.seed ?? 1)
  const servers = (options.servers ?? [{}]).map(({ outages = [] }) =>
    modelledConjur(time, { outages, ...(options.traits && { traits: options.traits }) }),
  )
  const members = Array.from({ length: options.agents }, () =>
    member(options, { time, random, servers }),
  )
  const tokenless: { at: number; count: number }[] = []
  const running = members.map((each) => each.run())
  const stepMs = options.lookEveryMs ?? 10_000
  for (let at = stepMs; at <= options.untilMs; at += stepMs) {
    await time.run(at)
    tokenless.push({ at, count: members.filter(({ tokenEndsAt }) => tokenEndsAt() <= at).length })
  }
  for (const { stop } of members) stop()
  await time.run(options.untilMs)
  await Promise.all(running)
  return {
    servers: servers.map((server) => server.seconds()),
    published: members.map(({ published }) => published),
    tokenless,
    loginsOfEach: members.map(({ asked }) => asked.logins),
    requestsOfEach: members.map(({ asked }) => asked.logins + asked.reads),
  }
}

interface World {
  readonly time: ReturnType<typeof virtualTime>
  readonly random: () => number
  readonly servers: readonly ReturnType<typeof modelledConjur>[]
}

/** One agent. */
function member(options: FleetOptions, { time, random, servers }: World) {
  const asked = { logins: 0, reads: 0 }
  const published: number[] = []
  const end = new AbortController()
  let tokenEndsAt = 0
  let ways = new Map<string, Send>()
  const connect = (): void => {
    ways = new Map(servers.map((server, index) => [hostOf(index), server.connect()]))
  }
  const wire: Send = (request: HttpRequest) => {
    asked[request.method === 'POST' ? 'logins' : 'reads']++
    const way = ways.get(request.url.host)
    if (way === undefined) throw new Error(`nobody is at ${request.url.host}`)
    return way(request)
  }
  const [first, ...others] = servers.map((_, index) => new URL(`https://${hostOf(index)}`))
  if (first === undefined) throw new Error('no server to ask')
  const followers = createFollowers({
    servers: [first, ...others],
    now: () => time.monotonic(),
    sleep: (ms, signal) => time.sleep(ms, signal),
    random,
    onSwitch: () => undefined,
  })
  const asking = {
    send: followers.through(wire),
    place: { applianceUrl: first, account: 'acme' },
    timeoutMs: 60_000,
    now: () => time.now(),
  }
  const login = {
    ...asking,
    authenticator: { type: 'authn-jwt', serviceId: 'prod' },
    login: 'host/apps/web',
  } as const
  const stages: Stages = {
    clock: time,
    identity: { name: 'projected-token', watched: [], token: async () => CREDENTIAL },
    authenticate: (credential, signal) => authenticate(login, credential.secret, signal),
    async retrieve(token: AccessToken, signal) {
      const outcomes = await retrieve(asking, token, { variableIds: VARIABLES, signal })
      return { outcomes }
    },
    isConjur: async () => true,
    tokenOutput: {
      name: 'token',
      async publish() {
        return []
      },
    },
    outputs: [],
    removeDeleted: true,
  }
  let left: HeldToken | undefined = options.takeOver === true ? found(time, random) : undefined
  const settings = {
    refreshIntervalMs: options.refreshIntervalMs,
    retryIntervalMs: 1000,
    renewAfterMs: undefined,
    random,
    handOver: () => left,
    unmet: () => undefined,
    onPass({ memory: { held }, outcomes, error }: Report) {
      left = held
      if (held !== undefined) tokenEndsAt = held.received.monotonic + held.token.lifetimeMs
      if (error === undefined && outcomes.size > 0) published.push(time.now())
    },
  }
  async function stay(): Promise<void> {
    connect()
    await loop(stages, { ...settings, wake: createWake() }, end.signal)
  }
  /** As the shell does it: another process each time, with what the last one told it and the token on the volume. */
  async function hibernate(): Promise<void> {
    const asleep = { variableIds: VARIABLES, isRung: () => false }
    for (let waking: Waking | undefined; ;) {
      connect()
      const sleep = await awake(stages, { ...settings, ...asleep, waking }, end.signal)
      waking = sleep.waking
      await time.sleep(sleep.seconds * 1000, end.signal)
    }
  }
  const startsAt = random() * options.startWithinMs
  return {
    asked,
    published,
    tokenEndsAt: () => tokenEndsAt,
    stop: () => end.abort(new Error('the simulation is over')),
    async run(): Promise<void> {
      try {
        await time.sleep(startsAt, end.signal)
        await (options.idle === 'hibernate' ? hibernate() : stay())
      } catch (error) {
        if (!end.signal.aborted) throw error
      }
    },
  }
}

/** A token that is somewhere in the part of its life in which it is used. */
function found(time: World['time'], random: World['random']): HeldToken {
  const lifetimeMs = 480_000
  const at = time.now() - random() * lifetimeMs * 0.75
  const token = { secret: new Secret('{}'), lifetimeMs, login: 'host/apps/web' }
  return { token, received: { now: at, monotonic: at } }
}

const CREDENTIAL = {
  kind: 'jwt',
  secret: new Secret('a.b.c'),
  header: {},
  claims: {},
  expiresAt: undefined,
} as const

function hostOf(index: number): string {
  return `conjur-${index}.example`
}
