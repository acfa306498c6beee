/** What can be made to go wrong, so that a client can be tried against it. */
export type FaultKind =
  /** Connections are cut before a byte of an answer. */
  | 'outage'
  /** 503. */
  | 'unavailable'
  /** 500, as where the database is away. */
  | 'error'
  /** The reply is held back. */
  | 'slow'
  /** The connection is cut in the middle of the reply. */
  | 'drop'
  /** 401 at login, as after a rotation of the issuer's keys. */
  | 'unauthenticated'
  /** Token issuers refuse connections. */
  | 'provider-away'

/** One fault, on from now until it has run out. */
export interface Fault {
  readonly kind: FaultKind
  /** How long it stays, in milliseconds; absent: until cleared or used up. */
  readonly forMs?: number | undefined
  /** How many requests it hits; absent: all. */
  readonly times?: number | undefined
  /** Which requests: a prefix of the path without base path; absent: all. */
  readonly path?: string | undefined
  /** For `slow`: how long a reply is held back, in milliseconds. */
  readonly delayMs?: number | undefined
  /** For `unavailable`: what Retry-After says, in seconds. */
  readonly retryAfterSeconds?: number | undefined
}

export interface Faults {
  /** Switches a fault on. */
  add(fault: Fault): void
  clear(): void
  /** The fault that hits a request for this path, counted as used. */
  take(path: string): Fault | undefined
  /** What is on now. */
  active(): readonly Fault[]
}

export const faultKinds: readonly FaultKind[] = [
  'outage',
  'unavailable',
  'error',
  'slow',
  'drop',
  'unauthenticated',
  'provider-away',
]

/** A board of faults, all off. */
export function createFaults(now: () => number): Faults {
  let live: { fault: Fault; until: number; left: number }[] = []
  const prune = (): void => {
    const at = now()
    live = live.filter(({ until, left }) => until > at && left > 0)
  }
  return {
    add(fault) {
      live.push({
        fault,
        until: fault.forMs === undefined ? Infinity : now() + fault.forMs,
        left: fault.times ?? Infinity,
      })
    },
    clear() {
      live = []
    },
    take(path) {
      prune()
      const hit = live.find(
        ({ fault }) =>
          fault.kind !== 'provider-away' &&
          (fault.path === undefined || path.startsWith(fault.path)),
      )
      if (hit === undefined) return undefined
      hit.left -= 1
      return hit.fault
    },
    active() {
      prune()
      return live.map(({ fault }) => fault)
    },
  }
}
