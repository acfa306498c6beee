import type { AccessToken } from '../conjur/access-token.ts'
import type { Outcome } from '../conjur/retrieve.ts'
import { AgentError } from '../core/errors.ts'
import type { Credential, IdentitySource } from '../identity/source.ts'
import type { Output, Published, Snapshot } from '../outputs/output.ts'
import { elapsedSince, momentOf, type Clock } from './clock.ts'
import { learn, snapshotOf, type HeldToken, type Memory } from './memory.ts'
import { isFresh } from './schedule.ts'

/** The ports of a pass, and the clock: platform token → access token → values → outputs. */
export interface Stages {
  readonly identity: IdentitySource
  readonly authenticate: (credential: Credential, signal: AbortSignal) => Promise<AccessToken>
  readonly retrieve: (token: AccessToken, signal: AbortSignal) => Promise<Retrieved>
  /** Whether it is Conjur that answers: asked where nothing else in a pass has shown it. */
  readonly isConjur: (token: AccessToken, signal: AbortSignal) => Promise<boolean>
  /** The access token's own file, if it is wanted. */
  readonly tokenOutput: Output | undefined
  /** What receives the values. */
  readonly outputs: readonly Output[]
  /** Whether a value that Conjur withdrew may go. */
  readonly removeDeleted: boolean
  readonly clock: Clock
}

/** What Conjur said in one reading. */
export interface Retrieved {
  /** By variable id. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Every variable that there is for us, where an output asks for all. */
  readonly listed?: readonly string[]
  /** Epoch milliseconds at which values end, where that was asked for and could be had. */
  readonly expiries?: readonly number[]
}

/** What a pass is for. */
export interface Task {
  /** Read the values; otherwise only the access token is seen to. */
  readonly values: boolean
  /** A new access token even if the old one is fresh. */
  readonly renew: boolean
}

/** What a pass did. */
export interface Report {
  readonly memory: Memory
  readonly loggedIn: boolean
  /** What was learnt of each variable; empty where values were not read. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  readonly published: readonly Published[]
  /** What ended the pass early, if anything did. */
  readonly error: AgentError | undefined
  /** Outputs that could not be written; the others were. */
  readonly outputErrors: readonly AgentError[]
}

/**
 * One pass. All it knows it is told, so the same memory can be tried again. It rejects with the
 * signal's reason or with a defect of ours; whatever else goes wrong is in the report.
 */
export async function cycle(
  stages: Stages,
  { memory, task }: { memory: Memory; task: Task },
  signal: AbortSignal,
): Promise<Report> {
  let known = memory
  let loggedIn = false
  let retrieved: Retrieved = { outcomes: new Map() }
  const published: Published[] = []
  const outputErrors: AgentError[] = []
  const publish = async (output: Output, snapshot: Snapshot): Promise<void> => {
    try {
      published.push(...(await output.publish(snapshot, signal)))
    } catch (error) {
      if (signal.aborted || !(error instanceof AgentError)) throw error
      outputErrors.push(error)
    }
  }
  const logIn = async (): Promise<HeldToken> => {
    const held = await newToken(stages, signal)
    known = { ...known, held }
    loggedIn = true
    if (stages.tokenOutput !== undefined) {
      await publish(stages.tokenOutput, tokenAlone(held.token))
    }
    return held
  }
  const end = (error?: AgentError): Report => {
    const { outcomes } = retrieved
    return { memory: known, loggedIn, outcomes, published, error, outputErrors }
  }

  try {
    let held = task.renew || !isUsable(known.held, stages.clock) ? await logIn() : known.held
    if (!task.values) return end()
    if (!loggedIn && stages.tokenOutput !== undefined) {
      await publish(stages.tokenOutput, tokenAlone(held.token))
    }
    try {
      retrieved = await stages.retrieve(held.token, signal)
    } catch (error) {
      // The token may have been revoked, or the server's clock runs ahead: one new one is worth it.
      if (loggedIn || !(error instanceof AgentError) || error.code !== 'CONJUR_UNAUTHENTICATED')
        throw error
      held = await logIn()
      retrieved = await stages.retrieve(held.token, signal)
    }
    const { outcomes, listed, expiries = known.expiries } = retrieved
    const proven = loggedIn || (await hasShownItself(stages, { outcomes, held, signal }))
    known = {
      ...learn(known, outcomes, { proven, removeDeleted: stages.removeDeleted }),
      expiries,
    }
    const snapshot = snapshotOf(known, held.token, {
      variableIds: outcomes.keys(),
      removeDeleted: stages.removeDeleted,
      listed,
    })
    for (const output of stages.outputs) await publish(output, snapshot)
    return end()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof AgentError) return end(error)
    throw error
  }
}

function isUsable(held: HeldToken | undefined, clock: Clock): held is HeldToken {
  if (held === undefined) return false
  const ageMs = elapsedSince(held.received, clock)
  return isFresh({ lifetimeMs: held.token.lifetimeMs, ageMs })
}

async function newToken(stages: Stages, signal: AbortSignal): Promise<HeldToken> {
  const credential = await stages.identity.token(signal)
  // The life is counted from before the request: the server issued the token no earlier.
  const received = momentOf(stages.clock)
  return { token: await stages.authenticate(credential, signal), received }
}

function tokenAlone(token: AccessToken): Snapshot {
  return { accessToken: token.secret, values: new Map(), unknown: new Set() }
}

interface Shown {
  readonly outcomes: Report['outcomes']
  readonly held: HeldToken
  readonly signal: AbortSignal
}

/** A refusal counts only if the same server also says what only Conjur says: a value, or whose token this is. */
async function hasShownItself(stages: Stages, { outcomes, held, signal }: Shown): Promise<boolean> {
  const kinds = new Set([...outcomes.values()].map((outcome) => outcome.kind))
  if (kinds.has('value') || !(kinds.has('missing') || kinds.has('forbidden'))) return true
  return stages.isConjur(held.token, signal)
}
