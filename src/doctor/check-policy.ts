import type { Console } from './console.ts'
import { examine } from './examine.ts'
import type { Known, Tools } from './known.ts'
import { lackingIn, type Missing } from './lacking.ts'
import type { Plan } from './plan.ts'
import type { StepResult } from './report.ts'
import { operatorFor } from './steps.ts'

/** What a check came to: what is missing, or the step that kept it from being asked. */
export interface PolicyCheck {
  readonly missing: readonly Missing[]
  readonly stoppedBy: StepResult | undefined
  /** Whether an operator's token was there: without one, a refused login hides its reason. */
  readonly isComplete: boolean
}

/** Asks a server what of a plan it lacks: by its lists, by a login with the very token, and by its records. */
export async function checkPolicy(
  plan: Plan,
  tools: Tools,
  signal: AbortSignal,
): Promise<PolicyCheck> {
  let known: Known = {}
  const results = await examine({
    tools,
    until: 'variables',
    signal,
    listener: {
      started: () => undefined,
      finished: (_result, found) => {
        known = { ...known, ...found }
      },
    },
  })
  const failures = results.filter(({ outcome }) => outcome === 'failed')
  const stoppedBy = failures.find(({ id }) => !ABOUT_POLICY.includes(id))
  const secret = tools.operatorToken
  const isComplete = secret !== undefined
  if (stoppedBy !== undefined || known.config === undefined)
    return { missing: [], stoppedBy, isComplete }
  const recorded =
    secret === undefined
      ? []
      : await lackingIn(operatorFor(known.config.conjur, { secret, tools, signal }), plan)
  const seen = failures
    .filter((failure) => recorded.length === 0 || !isRecorded(failure))
    .flatMap((failure) => lackOf(failure))
    .filter(({ what }) => !recorded.some((one) => isSameVariable(one.what, what)))
  return { missing: unique([...recorded, ...seen]), stoppedBy: undefined, isComplete }
}

const ABOUT_POLICY: readonly string[] = ['authenticator', 'login', 'variables']

/** Whether the records, where they say something, have said what this failure only hints at. */
function isRecorded({ id, code, facts = {} }: StepResult): boolean {
  if (id === 'login') return code === 'CONJUR_UNAUTHENTICATED'
  return (
    code === 'CONJUR_NOT_CONFIGURED' &&
    [undefined, 'CONJ00036E', 'CONJ00037E'].some((one) => facts['conjurCode'] === one)
  )
}

/** Whether two lines are about one and the same variable; the records say it better than a refused read. */
function isSameVariable(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => /\bvariable (\S+)/.exec(text)?.[1])
  return first !== undefined && first === second
}

/** What a failed step says is missing. */
function lackOf({ id, message, hint = '', left = [], lines = [] }: StepResult): readonly Missing[] {
  if (id !== 'login') {
    return [{ what: message, cure: hint }, ...lines.map((line) => ({ what: line, cure: '' }))]
  }
  const suspects = left.map(({ what, claims }) =>
    claims === undefined
      ? what
      : `${what} ${Object.entries(claims)
          .map(([name, value]) => `${name} "${value}"`)
          .join(', ')}`,
  )
  return [
    {
      what: [`${message}${suspects.length === 0 ? '' : '; one of:'}`, ...suspects].join('\n  '),
      cure: hint,
    },
  ]
}

function unique(missing: readonly Missing[]): readonly Missing[] {
  return missing.filter(
    (one, index) => missing.findIndex(({ what }) => what === one.what) === index,
  )
}

/** Prints a check: what is missing to stdout, the sum to stderr. The exit code: 0, 8, or that of what stopped it. */
export function printCheck(
  { missing, stoppedBy, isComplete }: PolicyCheck,
  { isJson, console }: { readonly isJson: boolean; readonly console: Console },
): number {
  const exitCode = stoppedBy?.exitCode ?? (missing.length === 0 ? 0 : 8)
  if (isJson) {
    const document = {
      schema: 'conjur-agent/policy-check/v1',
      ok: exitCode === 0,
      exitCode,
      isComplete,
      missing,
      ...(stoppedBy === undefined
        ? {}
        : { code: stoppedBy.code, message: stoppedBy.message, hint: stoppedBy.hint }),
    }
    console.out(`${JSON.stringify(document)}\n`)
    return exitCode
  }
  if (stoppedBy !== undefined) {
    console.err(`${stoppedBy.code}: ${stoppedBy.message}\nhint: ${stoppedBy.hint}\n`)
    return exitCode
  }
  if (missing.length > 0) {
    const items = missing.map(
      ({ what, cure }) => `${what}${cure === '' ? '' : `\n  hint: ${cure}`}\n`,
    )
    console.out(items.join(''))
  }
  const { symbols } = console.errTerminal
  const sum =
    missing.length === 0
      ? `${symbols.done} nothing is missing: this workload can log in and read`
      : `${symbols.failed} ${missing.length} missing${isComplete ? '' : `; ${symbols.next} --conjur-token-file FILE, an operator's access token, shows the records too`}`
  console.err(`${sum}\n`)
  return exitCode
}
