import { createHash } from 'node:crypto'

/** The environment variable in which the shell hands a waking its numbers. */
export const WAKING = 'CONJUR_AGENT_WAKING'

/** What one waking tells the next through the shell that sleeps between them: numbers alone (P2). Instants are epoch milliseconds. */
export interface Waking {
  /** When the agent was started first. */
  readonly startedAt: number
  /** When Conjur was last asked for the values, and all was well. */
  readonly checkedAt: number | undefined
  /** When the values are due again; undefined: never. */
  readonly valuesAt: number | undefined
  /** When the access token is to be renewed; undefined if there was none. */
  readonly renewAt: number | undefined
  /** How many passes running have failed. */
  readonly attempt: number
  /** How many wakings went well since the start or the last failure. */
  readonly calm: number
  /** The variables that were refused for certain, by their fingerprints. */
  readonly refused: ReadonlySet<number>
  /** What the wall clock that these instants are of showed at zero of the monotonic one, which is one for all processes of a boot. */
  readonly zeroAt: number | undefined
  /** When the access token came; undefined if there is none. */
  readonly receivedAt: number | undefined
}

/** More refusals than this are confirmed anew by each waking: a command line ends somewhere. */
const MOST_REFUSED = 500

const WORD =
  /^(\d{1,15})\/(\d{0,15})\/(\d{0,15})\/(\d{0,15})\/(\d{1,9})\/(\d{1,9})\/((?:\d{1,15},?)*)(?:\/(\d{0,15})\/(\d{0,15}))?$/

/** One word for a command line. */
export function printWaking(waking: Waking): string {
  const whole = (ms: number | undefined): string =>
    ms === undefined ? '' : Math.max(0, ms).toFixed(0)
  const { startedAt, checkedAt, valuesAt, renewAt, attempt, calm, refused, zeroAt, receivedAt } =
    waking
  const instants = [startedAt, checkedAt, valuesAt, renewAt].map(whole)
  const prints = [...refused].slice(0, MOST_REFUSED).join(',')
  return [...instants, attempt, calm, prints, whole(zeroAt), whole(receivedAt)].join('/')
}

/** Undefined where the text is not one that was printed here: then the agent starts as for the first time. */
export function parseWaking(text: string | undefined): Waking | undefined {
  const fields = WORD.exec(text ?? '')
  if (fields === null) return undefined
  const [, startedAt, checkedAt = '', valuesAt = '', renewAt = '', attempt, calm, ...rest] = fields
  const [refused = '', zeroAt = '', receivedAt = ''] = rest
  const optional = (digits: string): number | undefined =>
    digits === '' ? undefined : Number(digits)
  return {
    startedAt: Number(startedAt),
    checkedAt: optional(checkedAt),
    valuesAt: optional(valuesAt),
    renewAt: optional(renewAt),
    attempt: Number(attempt),
    calm: Number(calm),
    refused: new Set(refused.split(',').filter(Boolean).map(Number)),
    zeroAt: optional(zeroAt),
    receivedAt: optional(receivedAt),
  }
}

/**
 * The same by the wall clock as it is now. Where that was set back, what was to come comes no later and
 * what was is no younger (P3); where it went ahead, by whatever cause, or the machine was started anew, it is believed.
 */
export function afterSleep(waking: Waking, zeroAt: number): Waking {
  const setBackMs = Math.max(0, (waking.zeroAt ?? zeroAt) - zeroAt)
  const moved = (at: number | undefined): number | undefined =>
    at === undefined ? undefined : at - setBackMs
  return {
    ...waking,
    valuesAt: moved(waking.valuesAt),
    renewAt: moved(waking.renewAt),
    receivedAt: moved(waking.receivedAt),
  }
}

/** 48 bits that stand for a variable. */
export function fingerprint(variableId: string): number {
  return createHash('sha256').update(variableId).digest().readUIntBE(0, 6)
}
