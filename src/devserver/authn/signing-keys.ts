import { authentication } from '../refusals.ts'
import { Refusal } from '../refusal.ts'

/** The public keys of a token issuer. */
export interface SigningKeys {
  /** JWKs, unchecked. */
  readonly keys: readonly unknown[]
  /** What its discovery document allows; absent where there is none. */
  readonly algorithms?: readonly string[] | undefined
}

/**
 * Keys of issuers, fetched once and kept without end. A refresh fetches again, at most 10 times in
 * 300 s for each issuer; beyond that the kept keys are given.
 */
export interface KeyCache {
  get(
    name: string,
    ask: { readonly refresh: boolean; readonly fetch: () => Promise<SigningKeys> },
  ): Promise<SigningKeys>
}

const mostRefreshes = 10
const intervalMs = 300_000
const mostWaiting = 3

/** An empty cache. `now` in milliseconds. */
export function createKeyCache(now: () => number): KeyCache {
  const kept = new Map<string, SigningKeys>()
  const fetches = new Map<string, number[]>()
  const underWay = new Map<string, Promise<SigningKeys>>()
  let waiting = 0

  const fetchOnce = async (
    name: string,
    fetch: () => Promise<SigningKeys>,
  ): Promise<SigningKeys> => {
    const same = underWay.get(name)
    if (same !== undefined) return same
    const started = fetch()
    underWay.set(name, started)
    try {
      const keys = await started
      kept.set(name, keys)
      fetches.set(name, [...(fetches.get(name) ?? []), now()])
      return keys
    } finally {
      underWay.delete(name)
    }
  }

  return {
    async get(name, { refresh, fetch }) {
      const known = kept.get(name)
      if (known !== undefined && !refresh) return known
      const recent = (fetches.get(name) ?? []).filter((at) => now() - at < intervalMs)
      fetches.set(name, recent)
      if (known !== undefined && recent.length >= mostRefreshes) return known
      if (waiting >= mostWaiting) {
        if (known !== undefined) return known
        throw tooManyWaiting()
      }
      waiting += 1
      try {
        return await fetchOnce(name, fetch)
      } finally {
        waiting -= 1
      }
    },
  }
}

function tooManyWaiting(): Refusal {
  return new Refusal(
    'Util::ConcurrencyLimitReachedBeforeCacheInitialization',
    'CONJ00044E Concurrency limited cache reached before cache initialized',
    { because: `more than ${mostWaiting} logins wait for the issuer's keys` },
  )
}

/** The code and words for an issuer that cannot be discovered. */
export function discoveryFailed(
  uri: string,
  failure: { reason: string; timedOut: boolean },
): Refusal {
  const because = { because: `${uri}: ${failure.reason}` }
  return failure.timedOut
    ? authentication(
        'OAuth::ProviderDiscoveryTimeout',
        `CONJ00010E Failed to discover Identity Provider with timeout error (Provider URI: '${uri}'). Reason: '${failure.reason}'`,
        because,
      )
    : authentication(
        'OAuth::ProviderDiscoveryFailed',
        `CONJ00011E Failed to discover Identity Provider (Provider URI: '${uri}'). Reason: '${failure.reason}'`,
        because,
      )
}
