import { usualConjur, type ConjurTraits } from './modelled-conjur.ts'

/** How many agents the figures are about. */
const WHOLE_FLEET = 10_000

/**
 * The usual Conjur, shrunk as a fleet is: a tenth of the agents at a server of a tenth of the speed
 * and patience see what all of them see at a whole one.
 */
export function scaledFor(agents: number): ConjurTraits {
  const share = agents / WHOLE_FLEET
  return {
    ...usualConjur,
    loginMs: usualConjur.loginMs / share,
    readMs: usualConjur.readMs / share,
    handshakeMs: usualConjur.handshakeMs / share,
    backlog: Math.round(usualConjur.backlog * share),
  }
}

/** A Conjur that is never busy: what the agents do is then their own schedule alone. */
export const tirelessConjur: ConjurTraits = {
  ...usualConjur,
  loginMs: 0.01,
  readMs: 0.01,
  handshakeMs: 0,
  lookupMs: 1,
  coldLookups: Number.POSITIVE_INFINITY,
  threads: Number.POSITIVE_INFINITY,
}

/** The least time in which a Conjur can log everyone in once and give everyone their values. */
export function leastTimeMs(agents: number, traits: ConjurTraits): number {
  return (agents * (traits.loginMs + traits.readMs + traits.handshakeMs)) / traits.workers
}
