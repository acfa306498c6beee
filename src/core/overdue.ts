/**
 * A pass that is this much overdue means that the loop stands still. It is long, because a pass may
 * be: a platform that is not ready is asked for five minutes, a Conjur that hangs costs a minute a
 * request, and to restart the pod would turn an outage that nobody sees into one (P3).
 */
export const OVERDUE_MS = 600_000
