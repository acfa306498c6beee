import type { AccessToken } from '../conjur/access-token.ts'
import type { Outcome } from '../conjur/retrieve.ts'
import { AgentError, ConjurError } from '../core/errors.ts'
import type { Output, Published, Snapshot } from '../outputs/output.ts'
import { learn, snapshotOf, type HeldToken, type Memory } from './memory.ts'
import { hasShownItself, isUsable, logIn, type LoginParts } from './token.ts'

/** The ports of a pass, and the clock: platform token → access token → values → outputs. */
export interface Stages extends LoginParts {
  readonly retrieve: (token: AccessToken, signal: AbortSignal) => Promise<Retrieved>
  /** Whether it is Conjur that answers: asked where nothing else in a pass has shown it. */
  readonly isConjur: (token: AccessToken, signal: AbortSignal) => Promise<boolean>
  /** The access token's own file, if it is wanted. */
  readonly tokenOutput: Output | undefined
  /** What receives the values. */
  readonly outputs: readonly Output[]
  /** Whether a value that Conjur withdrew may go. */
  readonly removeDeleted: boolean
}

/** What Conjur said in one reading. */
export interface Retrieved {
  /** By variable id. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** What further connections said, each proven by itself: it proves nothing of this one. */
  readonly others?: ReadonlyMap<string, Outcome>
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
  /** Whether Conjur refused the token that was held. */
  readonly isTokenRefused?: boolean
  /** Whether the access token is not on the volume, where it should be. */
  readonly isTokenUnwritten?: boolean
  /** What was learnt of each variable; empty where values were not read. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  readonly published: readonly Published[]
  /** What the outputs hold of earlier runs, where no pass of this one has come to them. */
  readonly standing?: readonly Published[]
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
  let isTokenRefused = false
  let isTokenUnwritten = false
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
  const publishToken = async ({ token }: HeldToken): Promise<void> => {
    if (stages.tokenOutput === undefined) return
    await publish(stages.tokenOutput, tokenAlone(token))
    // Nothing else has been published so far.
    isTokenUnwritten = outputErrors.length > 0
  }
  const renew = async (): Promise<HeldToken> => {
    const held = await logIn(stages, signal)
    known = { ...known, held }
    loggedIn = true
    await publishToken(held)
    return held
  }
  const end = (error?: AgentError): Report => {
    const { others } = retrieved
    const outcomes =
      others === undefined || others.size === 0
        ? retrieved.outcomes
        : new Map([...retrieved.outcomes, ...others])
    const told = { loggedIn, isTokenRefused, isTokenUnwritten, outcomes, published }
    return { memory: known, ...told, error, outputErrors }
  }

  try {
    let held = task.renew || !isUsable(known.held, stages.clock) ? await renew() : known.held
    // Also where it is only this file that an earlier pass could not write (P3).
    if (!loggedIn) await publishToken(held)
    if (!task.values) return { ...end(), ...standing(known, stages) }
    try {
      retrieved = await stages.retrieve(held.token, signal)
      if (held.isUntested === true) {
        await mustBeTaken(held.token, { retrieved, stages }, signal)
        held = { ...held, isUntested: false }
        known = { ...known, held }
      }
    } catch (error) {
      // The token may have been revoked, or the server's clock runs ahead: one new one is worth it.
      if (loggedIn || !(error instanceof AgentError) || error.code !== 'CONJUR_UNAUTHENTICATED')
        throw error
      isTokenRefused = true
      held = await renew()
      retrieved = await stages.retrieve(held.token, signal)
    }
    const { outcomes, others = new Map(), listed, expiries = known.expiries } = retrieved
    const { token } = held
    const proven =
      loggedIn || (await hasShownItself(outcomes, () => stages.isConjur(token, signal)))
    const { removeDeleted } = stages
    known = learn(known, outcomes, { proven, removeDeleted })
    if (others.size > 0) known = learn(known, others, { proven: true, removeDeleted })
    known = { ...known, expiries }
    const snapshot = snapshotOf(known, token, {
      variableIds: [...outcomes.keys(), ...others.keys()],
      removeDeleted,
      listed,
    })
    for (const output of stages.outputs) await publish(output, snapshot)
    return end()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof AgentError) return { ...end(error), ...standing(known, stages) }
    throw error
  }
}

/** What an earlier run left, as far as a look tells, for a run that has no values yet. */
function standing({ values }: Memory, { outputs }: Stages): Pick<Report, 'standing'> {
  if (values.size > 0) return {}
  try {
    return { standing: outputs.flatMap((output) => output.standing?.() ?? []) }
  } catch {
    // Whatever keeps us from looking will end the pass that reads the values, and be told then.
    return {}
  }
}

/** Throws unless Conjur has shown that it takes a token which nobody vouched for, by a value or by saying whose it is. */
async function mustBeTaken(
  token: AccessToken,
  { retrieved, stages }: { readonly retrieved: Retrieved; readonly stages: Stages },
  signal: AbortSignal,
): Promise<void> {
  const isShown = [...retrieved.outcomes.values()].some(({ kind }) => kind === 'value')
  if (isShown || (await stages.isConjur(token, signal))) return
  throw new ConjurError('CONJUR_UNAUTHENTICATED', 'Conjur does not know the token of the file', {
    hint: 'a new one is fetched; conjur-agent doctor shows who answers at the appliance URL',
    retryable: true,
  })
}

function tokenAlone(token: AccessToken): Snapshot {
  return { accessToken: token.secret, values: new Map(), unknown: new Set() }
}
