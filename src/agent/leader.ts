import type { Clock } from './clock.ts'

/** A Lease as it stands; the shape that `kubernetes` gives. */
interface Held {
  readonly holder: string
  readonly endsAt: number
  readonly version: string
  readonly transitions: number
}

/** One named Lease. Reading and writing may reject: then nothing is known. */
export interface Lease {
  read(): Promise<Held | undefined>
  write(
    holder: string,
    options: { readonly now: number; readonly seconds: number; readonly over: Held | undefined },
  ): Promise<boolean>
}

export interface LeadOptions {
  readonly lease: Lease
  /** This replica's name in the Lease. */
  readonly identity: string
  readonly clock: Clock
  /** Told when this replica takes over, gave way, or cannot reach the Lease; it does no work then. */
  readonly onChange: (state: 'leading' | 'following' | 'unknown') => void
}

/** How long a Lease lasts unless it is renewed, in seconds; it is renewed three times in that. */
const LEASE_SECONDS = 15
const TURN_MS = 5000

/**
 * Does the work of `run` while this replica holds the Lease, and only then: its signal is aborted
 * when the Lease could not be renewed for as long as it lasts. Ends with the signal's reason, the
 * Lease given back, so that another replica need not wait.
 */
export async function whileLeading(
  { lease, identity, clock, onChange }: LeadOptions,
  run: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let leading: { readonly stop: AbortController; readonly done: Promise<void> } | undefined
  let told: string | undefined
  let renewedAt = 0
  const tell = (state: Parameters<typeof onChange>[0]): void => {
    if (state !== told) onChange(state)
    told = state
  }
  const stepDown = async (): Promise<void> => {
    leading?.stop.abort(new Error('another replica leads'))
    await leading?.done
    leading = undefined
  }
  try {
    for (;;) {
      signal.throwIfAborted()
      const taken = await take(lease, { identity, clock })
      if (taken === true) {
        renewedAt = clock.monotonic()
        tell('leading')
        leading ??= begin(run, signal)
      } else if (taken === false || clock.monotonic() - renewedAt >= LEASE_SECONDS * 1000) {
        await stepDown()
        tell(taken === false ? 'following' : 'unknown')
      }
      await Promise.race([clock.sleep(TURN_MS, signal), failureOf(leading?.done)])
    }
  } finally {
    // Work that failed by itself is why we are here: the Lease is given back all the same.
    await stepDown().catch(() => undefined)
    if (told === 'leading') await giveBack(lease, { identity, clock })
  }
}

type Who = Pick<LeadOptions, 'identity' | 'clock'>

/** True: ours for another while; false: somebody else's; undefined: the Lease could not be reached. */
async function take(lease: Lease, { identity, clock }: Who): Promise<boolean | undefined> {
  try {
    const held = await lease.read()
    const now = clock.now()
    const isFree = held === undefined || held.holder === '' || held.endsAt <= now
    if (!isFree && held.holder !== identity) return false
    return await lease.write(identity, { now, seconds: LEASE_SECONDS, over: held })
  } catch {
    return undefined
  }
}

function begin(
  run: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): { stop: AbortController; done: Promise<void> } {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const done = run(either).catch((error: unknown) => {
    if (!either.aborted) throw error
  })
  // Heard at the next turn at the latest; until then nobody may be waiting.
  done.catch(() => undefined)
  return { stop, done }
}

/** Never resolves; rejects when the work fails by itself. */
async function failureOf(done: Promise<void> | undefined): Promise<never> {
  await done
  return new Promise(() => undefined)
}

async function giveBack(lease: Lease, { identity, clock }: Who): Promise<void> {
  try {
    const held = await lease.read()
    if (held?.holder !== identity) return
    await lease.write('', { now: clock.now(), seconds: LEASE_SECONDS, over: held })
  } catch {
    // It ends by itself.
  }
}
